import Cryptography
import Dispatch
public import HTTP
public import Patterns
public import Wire

/// Argus's HTTP interface: `/api/v1/store/{bucket}` and `/api/v1/store/{bucket}/{id}`.
///
/// Source: Argus 0.9.4, as recorded in Tests/Fixtures/argus-http.json.
public struct ArgusService: Sendable {
    public struct Settings: Sendable {
        /// `user:password`; nil for no authorization.
        public var auth: String?
        /// A valid owner contains a match of this.
        public var ownerPattern: Pattern
        /// The maximum and default ttl in seconds.
        public var maximumTTL: Int64

        /// Makes settings, by default those of Argus.
        ///
        /// - Throws: if the pattern is no regular expression.
        public init(
            auth: String? = nil, ownerPattern: String = "^.{10,60}$", maximumTTL: Int64 = 86_400
        ) throws(PatternError) {
            self.auth = auth
            self.ownerPattern = try Pattern(ownerPattern)
            self.maximumTTL = maximumTTL
        }
    }

    private static let root = "/api/v1/store/"

    private let store: ItemStore
    private let settings: Settings
    private let authorization: [UInt8]?
    private let now: @Sendable () -> Timestamp

    public init(store: ItemStore, settings: Settings, now: @escaping @Sendable () -> Timestamp = { .now() }) {
        self.store = store
        self.settings = settings
        authorization = settings.auth.map { Array("Basic \(Base64.encode($0.utf8))".utf8) }
        self.now = now
    }

    public func answer(_ request: ServerRequest) async -> ServerResponse {
        await withCheckedContinuation { continuation in
            answer(request) { continuation.resume(returning: $0) }
        }
    }

    /// Answers a request without blocking the event loop.
    public func answer(_ request: ServerRequest, _ responder: Responder) {
        answer(request) { responder.respond($0) }
    }

    /// - Parameter done: called once, usually before this method returns; for lists and writes to a file later, on
    ///   another thread.
    private func answer(_ request: ServerRequest, done: @escaping @Sendable (ServerResponse) -> Void) {
        guard let (bucket, id) = Self.target(of: request.path) else { return done(Self.notFound) }
        let methods = id == nil ? ["GET"] : ["GET", "PUT", "DELETE"]
        guard methods.contains(request.method) else {
            return done(ServerResponse(status: 405, headers: ["Allow": methods.joined(separator: ", ")]))
        }
        guard isAuthorized(request) else {
            return done(ServerResponse(status: 401, headers: ["WWW-Authenticate": "Basic realm=\"argus\""]))
        }
        if let id, !Self.isID(id) {
            return done(Self.badRequest("Invalid ID format. Expecting the format of a SHA-256 message digest."))
        }
        guard Self.isBucket(bucket) else { return done(Self.badRequest("Invalid bucket format.")) }
        let owner = request.header("X-Midt-Owner") ?? request.header("X-Xmidt-Owner") ?? ""
        guard owner.isEmpty || settings.ownerPattern.matches(anywhere: owner) else {
            return done(Self.badRequest("Invalid Owner format."))
        }
        guard let id else {
            // A list may have a million items, so it is made off the event loop.
            return DispatchQueue.global().async { done(list(bucket, owner)) }
        }
        switch request.method {
        case "PUT": put(bucket, id, owner, request.body, done)
        case "DELETE":
            store.delete(bucket, id, owner: owner, now: now()) { result in
                switch result {
                case .success(let found): done(answer(found, id))
                case .failure(let error): done(Self.notStored(error))
                }
            }
        default: done(answer(store.get(bucket, id, owner: owner, now: now()), id))
        }
    }

    /// Returns the bucket and the item in a path; nil for other paths.
    private static func target(of path: String) -> (bucket: String, id: String?)? {
        guard path.hasPrefix(root) else { return nil }
        let parts = path.utf8.dropFirst(root.utf8.count).split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
        ).map { String(Substring($0)) }
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        return (parts[0], parts.count == 2 ? parts[1] : nil)
    }

    private func put(
        _ bucket: String, _ id: String, _ owner: String, _ bytes: [UInt8],
        _ done: @escaping @Sendable (ServerResponse) -> Void
    ) {
        let body: PutBody
        do {
            body = try PutBody(bytes, id: id)
        } catch {
            return done(Self.badRequest(error.rawValue))
        }
        let now = now()
        let ttl = min(body.ttl ?? settings.maximumTTL, settings.maximumTTL)
        let item = StoredItem(owner: owner, data: body.data, end: now + .seconds(ttl))
        store.put(bucket, id, item, now: now) { result in
            switch result {
            case .success(.created): done(ServerResponse(status: 201))
            case .success(.updated): done(ServerResponse(status: 200))
            case .success(.forbidden): done(ServerResponse(status: 403))
            case .success(.full): done(Self.failed(507, "the store is full"))
            case .failure(let error): done(Self.notStored(error))
            }
        }
    }

    private func list(_ bucket: String, _ owner: String) -> ServerResponse {
        let now = now()
        var output: [UInt8] = [UInt8(ascii: "[")]
        for (index, (id, item)) in store.list(bucket, owner: owner, now: now).enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            Self.append(id, item, now, to: &output)
        }
        output.append(UInt8(ascii: "]"))
        return Self.json(output)
    }

    private func answer(_ result: ItemStore.FindResult, _ id: String) -> ServerResponse {
        switch result {
        case .absent: return Self.failed(404, "Item not found")
        case .forbidden: return ServerResponse(status: 403)
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

    private func isAuthorized(_ request: ServerRequest) -> Bool {
        guard let authorization else { return true }
        return isEqualInConstantTime(Array((request.header("Authorization") ?? "").utf8), authorization)
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

    private static func json(_ body: [UInt8]) -> ServerResponse {
        ServerResponse(status: 200, contentType: "application/json", body: body)
    }

    private static func notStored(_ error: any Error) -> ServerResponse {
        failed(500, "the item could not be stored: \(error)")
    }

    private static func badRequest(_ reason: String) -> ServerResponse { failed(400, reason) }

    /// Returns an error with its reason in both headers that generations of Argus use.
    private static func failed(_ status: Int, _ reason: String) -> ServerResponse {
        ServerResponse(status: status, headers: ["X-Midt-Error": reason, "X-Xmidt-Error": reason])
    }

    /// The response of Go's router for an unknown path.
    private static let notFound = ServerResponse.text(404, "404 page not found")
}
