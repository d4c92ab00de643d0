import Locking

/// A client of HTTP/1.1 servers that keeps connections. Follows no redirects, uses no proxies, believes no answer that is cut off or
/// ambiguous, and bounds everything. Every exchange ends within the time that it was given, waiting for a connection, connecting, TLS
/// and the answer's body included. May be used from any thread.
///
/// A request is sent again by itself in one case only: the connection was kept from an earlier request, it was closed before anything
/// came, and doing it twice is doing it once (GET, HEAD, PUT, DELETE, OPTIONS), or nothing of it was sent.
public final class HTTPClient: Sendable {
    /// What clients may differ in.
    public struct Configuration: Sendable {
        /// Whom to trust, and what to show.
        public var tls: ClientTLSFiles
        /// The most connections to one host and port.
        public var connectionsPerHost: Int
        /// The most time for making a connection: for looking up the name, for TCP and for TLS.
        public var connectTimeout: Duration
        /// How long a connection rests before it is closed; less than most servers wait.
        public var idleTimeout: Duration
        /// How old a connection gets before it is closed between two exchanges, so that a name's new address comes into use; up to an
        /// eighth less, by chance.
        public var maximumAge: Duration
        /// The most bytes of the head of an answer, and of its trailers.
        public var maximumHeader: Int

        /// A configuration.
        public init(
            tls: ClientTLSFiles = ClientTLSFiles(), connectionsPerHost: Int = 8, connectTimeout: Duration = .seconds(5),
            idleTimeout: Duration = .seconds(20), maximumAge: Duration = .seconds(60), maximumHeader: Int = 64 << 10
        ) {
            self.tls = tls
            self.connectionsPerHost = connectionsPerHost
            self.connectTimeout = connectTimeout
            self.idleTimeout = idleTimeout
            self.maximumAge = maximumAge
            self.maximumHeader = maximumHeader
        }
    }

    private struct State {
        var pools: [HostPool.Key: HostPool] = [:]
        var isShutDown = false
    }

    /// So many hosts may be remembered before those are forgotten that nobody uses.
    private static let manyPools = 64

    private let settings: ClientSettings
    private let state = Mutex(State())

    /// Reads the certificates, but for the system's roots; makes no connection.
    ///
    /// - Throws: `ClientTLSError` where a file cannot be read.
    public convenience init(_ configuration: Configuration = Configuration(), loops: EventLoops = .shared) throws {
        try self.init(configuration, loops: loops, lookup: .shared)
    }

    /// As the other, with names looked up in a way of one's own.
    package init(_ configuration: Configuration, loops: EventLoops = .shared, lookup: NameLookup) throws {
        settings = ClientSettings(
            configuration: configuration, tls: try ClientTLSContext(configuration.tls), lookup: lookup, loops: loops)
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - within: how long all of it may take.
    ///   - body: how much of the answer's body is wanted.
    ///   - done: told once what became of it, on a loop, after this method has returned; must not block.
    /// - Returns: the exchange, which may be cancelled.
    @discardableResult
    public func execute(
        _ request: ClientRequest, within: Duration, body: BodyLimit,
        done: @escaping @Sendable (Result<ClientResponse, HTTPClientError>) -> Void
    ) -> Exchange {
        let exchange = exchange(request, within, body)
        start(exchange, done)
        return exchange
    }

    /// Sends a request and waits for the answer; cancelled with its task.
    public func execute(
        _ request: ClientRequest, within: Duration, body: BodyLimit = .whole(1 << 20)
    ) async throws(HTTPClientError) -> ClientResponse {
        let exchange = exchange(request, within, body)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                start(exchange) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            exchange.cancel()
        }
        return try result.get()
    }

    private func exchange(_ request: ClientRequest, _ time: Duration, _ limit: BodyLimit) -> Exchange {
        Exchange(request, within: time, limit: limit, loop: settings.loops.current ?? settings.loops.next())
    }

    private func start(_ exchange: Exchange, _ done: @escaping Exchange.Completion) {
        guard exchange.begin(done) else { return exchange.loop.submit { done(.failure(.cancelled)) } }
        if let problem = RequestWriter.problem(of: exchange.request) {
            return exchange.finishLater(.invalidRequest(reason: problem))
        }
        while let pool = pool(for: exchange.request) { if pool.start(exchange) { return } }
        exchange.finishLater(.shutDown)
    }

    /// The pool of a request's host; nil where the client was shut down.
    private func pool(for request: ClientRequest) -> HostPool? {
        let key = HostPool.Key(request.url)
        return state.withLock { state in
            guard !state.isShutDown else { return nil }
            if let pool = state.pools[key] { return pool }
            // Hosts may come from messages, without end.
            if state.pools.count >= Self.manyPools { state.pools = state.pools.filter { !$0.value.retireIfUnused() } }
            let pool = HostPool(key, settings)
            state.pools[key] = pool
            return pool
        }
    }

    /// How many hosts are remembered, for tests.
    var knownHosts: Int { state.withLock { $0.pools.count } }

    /// Ends the client: what is under way fails as `HTTPClientError.shutDown`, as does what is asked from now on. Returns when its
    /// connections are closed. Again is allowed.
    public func shutDown() async {
        let pools = state.withLock { state in
            state.isShutDown = true
            return Array(state.pools.values)
        }
        for pool in pools { await pool.shutDown() }
    }

    /// Calls `body` with a client, which is shut down afterwards.
    public static func with<Result>(
        _ configuration: Configuration = Configuration(), _ body: (HTTPClient) async throws -> Result
    ) async throws -> Result {
        let client = try HTTPClient(configuration)
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
