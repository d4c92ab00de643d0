import HTTP
public import PipelineKit
public import Wire

/// A bucket of Argus: where it is, and who asks. What is done with its items is done through an `ArgusClient`.
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
        /// When the answer was there.
        public var answered: Timestamp
    }

    /// What Argus says to somebody who is not, or may not be, the owner of an item.
    public enum Lookup: Sendable {
        /// It is there, and this owner's.
        case item(Item)
        /// There is none.
        case absent
        /// It is another's.
        case otherOwner
    }

    /// The URLs of the bucket, one for each address of Argus, as in `http://argus:6600/api/v1/store/webhooks`.
    let stores: [WebURL]
    let ownerHeaders: [String]
    let authorization: HTTPAuthorization
    /// How long one request may take, with the connecting.
    let timeout: Duration
    let tls: ClientTLS
    let now: @Sendable () -> Timestamp

    /// The bucket into which a sink writes.
    ///
    /// - Parameter sink: a sink of the kind `argus`, with its checked options.
    /// - Throws: `OptionError` where the options do not go together.
    public init(of sink: PipelineSpec.StageSpec, timeout: Duration = .seconds(30)) throws {
        try self.init(sink.options, timeout: timeout, now: { .now() })
    }

    /// The bucket that options name which the sink and the source share.
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

    /// Runs `body` with a client of this bucket that is shut down afterwards.
    ///
    /// - Throws: what `body` throws, or where a certificate's file cannot be read.
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
