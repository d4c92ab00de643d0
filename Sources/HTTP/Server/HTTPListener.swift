import Glibc
import Locking
public import Telemetry

/// An HTTP/1.1 server on one address with one handler.
///
/// Refuses malformed, oversized and slow requests. Connections live on the event loops; none occupies a thread.
/// Thread-safe.
public final class HTTPListener: Sendable {
    /// Answers a request, now or later, through the responder. Called on the connection's event loop; must not block.
    public typealias Handler = @Sendable (ServerRequest, Responder) -> Void

    private enum State {
        case idle
        case running(Acceptor)
        case stopped
    }

    private let address: ListenAddress
    private let settings: ListenerSettings
    private let loops: EventLoops
    private let state = Mutex(State.idle)
    private let boundPort = Mutex<Int?>(nil)

    /// - Parameters:
    ///   - certificate: the certificate; nil for no TLS.
    ///   - bodyBytes: the maximum body at a path; by default that of the limits. Called on an event loop.
    public init(
        address: ListenAddress, certificate: ServerCertificate? = nil, limits: HTTPLimits, logger: Logger,
        bodyBytes: (@Sendable (String) -> Int)? = nil, loops: EventLoops = .shared, handler: @escaping Handler
    ) {
        self.address = address
        self.loops = loops
        let maximumBody = limits.bodyBytes
        settings = ListenerSettings(
            limits, certificate: certificate, logger: logger, bodyBytes: bodyBytes ?? { _ in maximumBody },
            handler: handler)
    }

    /// Makes a handler from an asynchronous function, which runs on Swift's concurrent executor.
    public static func asynchronous(_ body: @escaping @Sendable (ServerRequest) async -> ServerResponse) -> Handler {
        { request, responder in
            Task { responder.respond(await body(request)) }
        }
    }

    /// The port; nil before listening and for a Unix domain socket.
    public var port: Int? { boundPort.withLock { $0 } }

    /// The number of open connections.
    package var connections: Int {
        state.withLock { state in
            if case .running(let acceptor) = state { acceptor.connections } else { 0 }
        }
    }

    /// Listens until `stop` or cancellation. Returns when all received requests are answered.
    ///
    /// - Parameter onListening: called once when connections are accepted.
    /// - Throws: `HTTPListenerError` if it cannot listen at the address.
    public func run(onListening: @escaping @Sendable () async -> Void = {}) async throws {
        let isIdle = state.withLock { state in
            if case .idle = state { return true }
            return false
        }
        guard isIdle else { return }
        let socket = try ListeningSocket(address)
        let acceptor = Acceptor(socket, address, settings, loops)
        let isStopped = state.withLock { state in
            guard case .idle = state else { return true }
            state = .running(acceptor)
            return false
        }
        guard !isStopped else {
            close(socket.descriptor)
            return
        }
        boundPort.withLock { $0 = socket.port }
        acceptor.start()
        await onListening()
        await withTaskCancellationHandler {
            await acceptor.waitUntilEnded()
        } onCancel: {
            acceptor.stop()
        }
    }

    /// Stops accepting, closes idle connections, and lets `run` return when all received requests are answered.
    public func stop() async {
        let acceptor: Acceptor? = state.withLock { state in
            defer { state = .stopped }
            if case .running(let acceptor) = state { return acceptor }
            return nil
        }
        acceptor?.stop()
    }
}
