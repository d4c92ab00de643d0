import Glibc
import Locking
public import Telemetry

/// An HTTP/1.1 server on one address, whose requests are answered by one function.
///
/// Refuses by itself what is malformed, too large or too slow. Its connections live on the loops; none is tied to a thread. May be used
/// from any thread.
public final class HTTPListener: Sendable {
    /// Answers a request, now or later, by the responder. Called on the loop of the connection; must not block.
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

    /// A server that does not listen yet.
    ///
    /// - Parameters:
    ///   - certificate: what to show; nil for no TLS.
    ///   - bodyBytes: the largest body at a path; else that of the limits. Called on a loop.
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

    /// A handler that answers when an asynchronous function returns, on Swift's concurrent executor.
    public static func asynchronous(_ body: @escaping @Sendable (ServerRequest) async -> ServerResponse) -> Handler {
        { request, responder in
            Task { responder.respond(await body(request)) }
        }
    }

    /// The port that is listened on; nil before it is, and for a Unix domain socket.
    public var port: Int? { boundPort.withLock { $0 } }

    /// How many connections are open.
    package var connections: Int {
        state.withLock { state in
            if case .running(let acceptor) = state { acceptor.connections } else { 0 }
        }
    }

    /// Listens until `stop` is called or the task is cancelled; returns when every request that had come is answered.
    ///
    /// - Parameter onListening: called once when connections are accepted.
    /// - Throws: `HTTPListenerError` where the address cannot be had.
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

    /// Accepts nothing more and lets `run` return when what has come is answered. Connections that rest are closed.
    public func stop() async {
        let acceptor: Acceptor? = state.withLock { state in
            defer { state = .stopped }
            if case .running(let acceptor) = state { return acceptor }
            return nil
        }
        acceptor?.stop()
    }
}
