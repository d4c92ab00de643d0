public import Foundation
public import HTTP
public import Wire

/// Answers as Argus does over HTTP: `/api/v1/store/{bucket}` and `/api/v1/store/{bucket}/{id}`.
///
/// Source: Argus 0.9.4, as recorded in Tests/Fixtures/argus-http.json.
public struct ArgusService: Sendable {
    /// How it is configured.
    public struct Settings: Sendable {
        /// `user:password`; nil to let everybody in.
        public var auth: String?
        /// What an owner has to look like.
        public var ownerPattern: NSRegularExpression
        /// The longest ttl, in seconds; what items without one are given.
        public var longestTTL: Int64

        /// Settings; Argus's own by default.
        ///
        /// - Throws: where the pattern is no regular expression.
        public init(auth: String? = nil, ownerPattern: String = "^.{10,60}$", longestTTL: Int64 = 86_400) throws {
            self.auth = auth
            self.ownerPattern = try NSRegularExpression(pattern: ownerPattern)
            self.longestTTL = longestTTL
        }
    }

    private static let root = "/api/v1/store/"

    private let store: ItemStore
    private let settings: Settings
    private let authorization: String?
    private let now: @Sendable () -> Timestamp

    /// A service on a store.
    public init(store: ItemStore, settings: Settings, now: @escaping @Sendable () -> Timestamp = { .now() }) {
        self.store = store
        self.settings = settings
        authorization = settings.auth.map { "Basic " + Data($0.utf8).base64EncodedString() }
        self.now = now
    }

    /// Answers a request.
    public func answer(_ request: HTTPServiceRequest) async -> HTTPServiceResponse {
        guard request.path.hasPrefix(Self.root) else { return Self.notFound }
        let parts = request.path.dropFirst(Self.root.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else { return Self.notFound }
        let bucket = String(parts[0])
        let id = parts.count == 2 ? String(parts[1]) : nil
        guard (id == nil ? ["GET"] : ["GET", "PUT", "DELETE"]).contains(request.method) else {
            return HTTPServiceResponse(status: 405)
        }
        guard isAuthorized(request) else { return HTTPServiceResponse(status: 401) }
        if let id, !Self.isID(id) {
            return Self.badRequest("Invalid ID format. Expecting the format of a SHA-256 message digest.")
        }
        guard Self.isBucket(bucket) else { return Self.badRequest("Invalid bucket format.") }
        let owner = request.header("X-Midt-Owner") ?? request.header("X-Xmidt-Owner") ?? ""
        guard owner.isEmpty || matchesOwnerPattern(owner) else { return Self.badRequest("Invalid Owner format.") }
        guard let id else { return list(bucket, owner) }
        do {
            switch request.method {
            case "PUT": return try await put(bucket, id, owner, request.body)
            case "DELETE": return answer(try await store.delete(bucket, id, owner: owner, now: now()), id)
            default: return answer(store.get(bucket, id, owner: owner, now: now()), id)
            }
        } catch {
            return Self.failed(500, "the item could not be stored: \(error)")
        }
    }

    private func put(_ bucket: String, _ id: String, _ owner: String, _ bytes: [UInt8]) async throws
        -> HTTPServiceResponse
    {
        let body: PutBody
        do {
            body = try PutBody(bytes, id: id)
        } catch {
            return Self.badRequest(error.rawValue)
        }
        let now = now()
        let ttl = min(body.ttl ?? settings.longestTTL, settings.longestTTL)
        let item = StoredItem(owner: owner, data: body.data, end: now + .seconds(ttl))
        switch try await store.put(bucket, id, item, now: now) {
        case .created: return HTTPServiceResponse(status: 201)
        case .updated: return HTTPServiceResponse(status: 200)
        case .forbidden: return HTTPServiceResponse(status: 403)
        case .full: return Self.failed(507, "the store is full")
        }
    }

    private func list(_ bucket: String, _ owner: String) -> HTTPServiceResponse {
        let now = now()
        var output: [UInt8] = [UInt8(ascii: "[")]
        for (index, (id, item)) in store.list(bucket, owner: owner, now: now).enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            Self.append(id, item, now, to: &output)
        }
        output.append(UInt8(ascii: "]"))
        return Self.json(output)
    }

    private func answer(_ result: ItemStore.FindResult, _ id: String) -> HTTPServiceResponse {
        switch result {
        case .absent: return Self.failed(404, "Item not found")
        case .forbidden: return HTTPServiceResponse(status: 403)
        case .found(let item):
            var output: [UInt8] = []
            Self.append(id, item, now(), to: &output)
            return Self.json(output)
        }
    }

    private static func append(_ id: String, _ item: StoredItem, _ now: Timestamp, to output: inout [UInt8]) {
        JSONWriter.append("{\"id\":", to: &output)
        JSONWriter.append(string: id, to: &output)
        JSONWriter.append(",\"data\":", to: &output)
        output.append(contentsOf: item.data)
        JSONWriter.append(",\"ttl\":", to: &output)
        JSONWriter.append(integer: max(0, (item.end - now).components.seconds), to: &output)
        JSONWriter.append("}", to: &output)
    }

    private func isAuthorized(_ request: HTTPServiceRequest) -> Bool {
        guard let authorization else { return true }
        let given = Array((request.header("Authorization") ?? "").utf8)
        let expected = Array(authorization.utf8)
        // Every byte is looked at, so that the time it takes tells nothing of how many were right.
        var difference = UInt8(given.count == expected.count ? 0 : 1)
        for index in expected.indices { difference |= expected[index] ^ (index < given.count ? given[index] : 0) }
        return difference == 0
    }

    private func matchesOwnerPattern(_ owner: String) -> Bool {
        settings.ownerPattern.firstMatch(in: owner, range: NSRange(location: 0, length: owner.utf16.count)) != nil
    }

    /// `^[0-9a-f]{64}$`
    private static func isID(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy { isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
    }

    /// `^[0-9a-z][0-9a-z-]{1,61}[0-9a-z]$`
    private static func isBucket(_ text: String) -> Bool {
        (3...63).contains(text.utf8.count) && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy {
                isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func json(_ body: [UInt8]) -> HTTPServiceResponse {
        HTTPServiceResponse(status: 200, contentType: "application/json", body: body)
    }

    private static func badRequest(_ reason: String) -> HTTPServiceResponse { failed(400, reason) }

    /// The reason under both names that generations of Argus give it.
    private static func failed(_ status: Int, _ reason: String) -> HTTPServiceResponse {
        HTTPServiceResponse(status: status, headers: ["X-Midt-Error": reason, "X-Xmidt-Error": reason])
    }

    /// What Go's router says of a path it does not know.
    private static let notFound = HTTPServiceResponse.text(404, "404 page not found")
}
