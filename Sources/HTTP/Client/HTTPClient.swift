import Locking

/// An HTTP/1.1 client with connection pools. Follows no redirects, uses no proxies, refuses truncated and ambiguous
/// responses, and limits everything. Every exchange ends within its timeout, which includes waiting for a connection,
/// connecting, TLS and the response's body. Thread-safe.
///
/// Resends a request in one case only: a reused connection was closed before any response, and the request is
/// idempotent (GET, HEAD, PUT, DELETE, OPTIONS) or nothing of it was sent.
public final class HTTPClient: Sendable {
    public struct Configuration: Sendable {
        /// The TLS configuration.
        public var tls: ClientTLSFiles
        /// The maximum number of connections to a host and port.
        public var connectionsPerHost: Int
        /// The timeout for opening a connection: name lookup, TCP and TLS.
        public var connectTimeout: Duration
        /// How long a connection may be idle; less than most servers allow.
        public var idleTimeout: Duration
        /// The maximum age of a connection, so that new addresses of a name are used; reduced randomly by up to an
        /// eighth.
        public var maximumAge: Duration
        /// The maximum size of a response's head and of its trailers in bytes.
        public var maximumHeader: Int

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

    /// How many pools may exist before unused ones are removed.
    private static let manyPools = 64

    private let settings: ClientSettings
    private let state = Mutex(State())

    /// Makes a client. Reads certificate files except the system's roots, and opens no connection.
    ///
    /// - Throws: `ClientTLSError` if a file cannot be read.
    public convenience init(_ configuration: Configuration = Configuration(), loops: EventLoops = .shared) throws {
        try self.init(configuration, loops: loops, lookup: .shared)
    }

    /// Makes a client with a custom name lookup.
    package init(_ configuration: Configuration, loops: EventLoops = .shared, lookup: NameLookup) throws {
        settings = ClientSettings(
            configuration: configuration, tls: try ClientTLSContext(configuration.tls), lookup: lookup, loops: loops)
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - within: the timeout of the whole exchange.
    ///   - body: how much of the response's body is wanted.
    ///   - done: called once, on an event loop, after this method has returned; must not block.
    /// - Returns: the exchange, for cancellation.
    @discardableResult
    public func execute(
        _ request: ClientRequest, within: Duration, body: BodyLimit,
        done: @escaping @Sendable (Result<ClientResponse, HTTPClientError>) -> Void
    ) -> Exchange {
        let exchange = exchange(request, within, body)
        start(exchange, done)
        return exchange
    }

    /// Sends a request and waits for the response. Cancelling the task cancels the exchange.
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

    /// Returns the pool of a request's host; nil after `shutDown`.
    private func pool(for request: ClientRequest) -> HostPool? {
        let key = HostPool.Key(request.url)
        return state.withLock { state in
            guard !state.isShutDown else { return nil }
            if let pool = state.pools[key] { return pool }
            // Messages may name an unlimited number of hosts.
            if state.pools.count >= Self.manyPools { state.pools = state.pools.filter { !$0.value.retireIfUnused() } }
            let pool = HostPool(key, settings)
            state.pools[key] = pool
            return pool
        }
    }

    /// The number of pools, for tests.
    var knownHosts: Int { state.withLock { $0.pools.count } }

    /// Shuts the client down: exchanges in progress and later ones fail with `HTTPClientError.shutDown`. Returns when
    /// all connections are closed. May be called again.
    public func shutDown() async {
        let pools = state.withLock { state in
            state.isShutDown = true
            return Array(state.pools.values)
        }
        for pool in pools { await pool.shutDown() }
    }

    /// Calls `body` with a client and shuts it down afterwards.
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
