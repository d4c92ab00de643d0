import AsyncHTTPClient
import NIOCore
public import PipelineKit
public import Wire

/// A bucket of Argus as somebody sees it who lists, looks at and deletes items; what writes them at speed is `ArgusSink`. May be used
/// from any thread.
///
/// Source of the protocol: Argus 0.9 and 0.11, `GET /api/v1/store/{bucket}`, `GET` and `DELETE` of `/{id}` in it.
public struct ArgusBucket: Sendable {
    /// An item as Argus tells it.
    public struct Item: Sendable {
        /// Its id.
        public var id: String
        /// Its data.
        public var data: JSONTree
        /// The whole seconds that are left of it; nil where Argus says nothing of that.
        public var ttl: Int64?

        /// The item as JSON, as Argus told it.
        public var tree: JSONTree {
            var members: [JSONTree.Member] = [.init("id", .string(id)), .init("data", data)]
            if let ttl { members.append(.init("ttl", .integer(ttl))) }
            return .object(members)
        }

        /// An item; nil where the JSON is none.
        public init?(_ tree: JSONTree) {
            guard let id = tree["id"]?.text, let data = tree["data"] else { return nil }
            self.id = id
            self.data = data
            ttl = if case .number(let text)? = tree["ttl"] { Int64(text) } else { nil }
        }
    }

    /// The items of an owner, and between which moments they were told.
    public struct Listing: Sendable {
        /// The items.
        public var items: [Item]
        /// When they were asked for.
        public var asked: Timestamp
        /// When the answer began.
        public var answered: Timestamp
    }

    /// What Argus says to somebody who is not, or may not be, the owner of an item.
    public enum Look: Sendable {
        /// It is there, and this owner's.
        case item(Item)
        /// There is none.
        case absent
        /// It is another's.
        case others
    }

    /// The largest answer that is read.
    private static let largestAnswer = 256 << 20

    private let addresses: [String]
    private let authorization: HTTPAuthorization
    private let ownerHeaders: [String]
    private let timeout: Duration
    private let tls: ClientTLS
    private let now: @Sendable () -> Timestamp

    /// The bucket into which a sink writes.
    ///
    /// - Parameter sink: a sink of the kind `argus`, with its checked options.
    /// - Throws: `OptionError` where the options do not go together.
    public init(of sink: PipelineSpec.StageSpec, timeout: Duration = .seconds(30)) throws {
        try self.init(sink.options, timeout: timeout, now: { .now() })
    }

    /// The bucket that options name which the sink and the source share.
    init(_ options: Options, timeout: Duration, now: @escaping @Sendable () -> Timestamp) throws {
        let bucket = options[ArgusSink.bucket]
        addresses = options[ArgusSink.addresses].map { "\($0)/api/v1/store/\(bucket)" }
        guard !addresses.isEmpty else {
            throw OptionError("'address' is empty", at: options.location(of: ArgusSink.addresses))
        }
        authorization = try HTTPAuthorization(options, now: now)
        ownerHeaders = options[ArgusSink.ownerHeaders]
        self.timeout = timeout
        tls = try ClientTLS(options[ArgusSink.tls])
        self.now = now
    }

    /// How many addresses there are, of which each call uses one.
    public var addressCount: Int { addresses.count }

    /// Runs `body` with a client that is shut down afterwards.
    func withClient<Result: Sendable>(_ body: (HTTPClient) async throws -> Result) async throws -> Result {
        try await HTTPClientSlot.with(try tls.makeClient(), body)
    }

    /// Runs `body` with calls of this bucket that share connections.
    public func connected<Result: Sendable>(_ body: (Connected) async throws -> Result) async throws -> Result {
        try await withClient { try await body(Connected(bucket: self, client: $0)) }
    }

    /// A bucket with its connections.
    public struct Connected: Sendable {
        let bucket: ArgusBucket
        let client: HTTPClient

        /// The items of an owner; empty for nobody.
        ///
        /// - Throws: why they cannot be had.
        public func items(of owner: String) async throws -> Listing {
            try await bucket.anyAddress { try await bucket.items(of: owner, at: $0, client) }
        }

        /// An item by its id, as an owner sees it.
        public func look(at id: String, as owner: String) async throws -> Look {
            try await bucket.anyAddress { address in
                let (response, body) = try await bucket.call("GET", "\(address)/\(id)", owner, client)
                switch response.status {
                case .notFound: return .absent
                case .forbidden: return .others
                default:
                    try bucket.check(response)
                    guard let item = Item(try JSONTree(parsing: body)) else {
                        throw StageError("Argus's answer is no item")
                    }
                    return .item(item)
                }
            }
        }

        /// Deletes an item of an owner.
        ///
        /// - Returns: whether it was there.
        public func delete(_ id: String, of owner: String) async throws -> Bool {
            try await bucket.anyAddress { address in
                let (response, _) = try await bucket.call("DELETE", "\(address)/\(id)", owner, client)
                if response.status == .notFound { return false }
                try bucket.check(response)
                return true
            }
        }
    }

    /// The items of an owner, asked for at one of the addresses.
    func items(of owner: String, at index: Int, _ client: HTTPClient) async throws -> Listing {
        try await items(of: owner, at: addresses[index], client)
    }

    private func items(of owner: String, at address: String, _ client: HTTPClient) async throws -> Listing {
        let asked = now()
        let (response, body) = try await call("GET", address, owner, client)
        let answered = now()
        try check(response)
        guard case .array(let items) = try JSONTree(parsing: body) else {
            throw StageError(mayPass: "Argus's answer is no list of items")
        }
        return Listing(items: items.compactMap(Item.init), asked: asked, answered: answered)
    }

    private func call(
        _ method: String, _ url: String, _ owner: String, _ client: HTTPClient
    ) async throws -> (HTTPClientResponse, [UInt8]) {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        if let header = try await authorization.header(client) {
            request.headers.add(name: "Authorization", value: header)
        }
        if !owner.isEmpty { for name in ownerHeaders { request.headers.add(name: name, value: owner) } }
        let response = try await client.execute(request, timeout: .nanoseconds(timeout.inNanoseconds))
        return (response, Array(try await response.body.collect(upTo: Self.largestAnswer).readableBytesView))
    }

    private func check(_ response: HTTPClientResponse) throws {
        switch HTTPOutcome.of(response.status.code, response.headers, server: "Argus") {
        case .delivered, .expired, .superseded: return
        case .transient(let reason, _), .permanent(let reason):
            if response.status == .unauthorized { _ = authorization.refused() }
            throw StageError(mayPass: reason)
        }
    }

    /// Tries the addresses in turn.
    private func anyAddress<Result: Sendable>(_ body: (String) async throws -> Result) async throws -> Result {
        for address in addresses.dropLast() {
            if let result = try? await body(address) { return result }
        }
        return try await body(addresses[addresses.count - 1])
    }
}
