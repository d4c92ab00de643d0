import HTTP
public import PipelineKit
public import Wire

/// A bucket of Argus: its addresses, and the credentials to use. Make an `ArgusClient` to work with its items.
public struct ArgusBucket: Sendable {
    /// An item as Argus returns it.
    public struct Item: Sendable {
        public var id: String
        public var data: JSONTree
        /// The remaining lifetime in whole seconds; nil if Argus does not report it.
        public var ttl: Int64?

        /// The item as JSON, as Argus returned it.
        public var tree: JSONTree {
            var members: [JSONTree.Member] = [.init("id", .string(id)), .init("data", data)]
            if let ttl { members.append(.init("ttl", .integer(ttl))) }
            return .object(members)
        }

        /// Parses an item. Returns nil if the JSON is none.
        public init?(_ tree: JSONTree) {
            guard let id = tree["id"]?.text, let data = tree["data"] else { return nil }
            self.id = id
            self.data = data
            ttl = if case .number(let text)? = tree["ttl"] { Int64(text) } else { nil }
        }
    }

    /// The items of an owner, and the period in which Argus listed them.
    public struct Listing: Sendable {
        public var items: [Item]
        /// When the list was requested.
        public var asked: Timestamp
        /// When the answer arrived.
        public var answered: Timestamp
    }

    /// What Argus returns for an item to somebody who may not be its owner.
    public enum Lookup: Sendable {
        /// The item exists and has this owner.
        case item(Item)
        /// The item does not exist.
        case absent
        /// The item has another owner.
        case otherOwner
    }

    /// The URLs of the bucket, one for each address of Argus, such as `http://argus:6600/api/v1/store/webhooks`.
    let stores: [WebURL]
    let ownerHeaders: [String]
    let authorization: HTTPAuthorization
    /// The timeout of a request, including connecting.
    let timeout: Duration
    let tls: ClientTLS
    let now: @Sendable () -> Timestamp

    /// Makes the bucket that a sink writes to.
    ///
    /// - Parameter sink: a sink of kind `argus` with its validated options.
    /// - Throws: `OptionError` if the options do not fit together.
    public init(of sink: PipelineSpec.StageSpec, timeout: Duration = .seconds(30)) throws {
        try self.init(sink.options, timeout: timeout, now: { .now() })
    }

    /// Makes the bucket from the options that the sink and the source share.
    init(_ options: Options, timeout: Duration, now: @escaping @Sendable () -> Timestamp) throws {
        let addresses = options[ArgusSink.addresses]
        guard !addresses.isEmpty else {
            throw OptionError("'address' is empty", at: options.location(of: ArgusSink.addresses))
        }
        let bucket = options[ArgusSink.bucket]
        stores = try addresses.map { address in
            do {
                return try WebURL("\(address)/api/v1/store/\(bucket)")
            } catch {
                throw OptionError(
                    "'\(address)' is no URL: \(error)", at: options.location(of: ArgusSink.addresses))
            }
        }
        ownerHeaders = options[ArgusSink.ownerHeaders]
        authorization = try HTTPAuthorization(options, timeout: timeout, now: now)
        self.timeout = timeout
        tls = try ClientTLS(options[ArgusSink.tls])
        self.now = now
    }

    /// Runs `body` with a client of this bucket, and shuts the client down afterwards.
    ///
    /// - Throws: the errors of `body`; an error if a certificate file cannot be read.
    public func connected<Result: Sendable>(_ body: (ArgusClient) async throws -> Result) async throws -> Result {
        let client = try ArgusClient(self)
        do {
            let result = try await body(client)
            await client.shutDown()
            return result
        } catch {
            await client.shutDown()
            throw error
        }
    }
}
