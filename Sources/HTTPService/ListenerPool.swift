public import Logging
import Locking

/// The process's listeners that may pass from one user to the next without being closed: a pipeline that is replaced by another
/// leaves its port to it, and a client that connects meanwhile waits instead of being refused. May be used from any thread.
public final class ListenerPool: Sendable {
    /// The process's own.
    public static let shared = ListenerPool()

    private struct State {
        var open: [ListenAddress: SharedListener] = [:]
        var isHandingOver = false
    }

    private let state = Mutex(State())

    /// An empty pool.
    public init() {}

    /// Whether users that stop now leave their listeners to others.
    public var isHandingOver: Bool { state.withLock { $0.isHandingOver } }

    /// Whether there is a listener that nobody uses.
    public var hasUnused: Bool { state.withLock { $0.open.values.contains { !$0.isUsed } } }

    /// From now on, who stops leaves its listener open, and requests wait for the next user.
    public func beginHandingOver() { state.withLock { $0.isHandingOver = true } }

    /// The hand-over is complete: what nobody took over is closed, and what waits there is told to come again.
    public func endHandingOver() async {
        let left = state.withLock { state in
            state.isHandingOver = false
            let left = state.open.filter { !$0.value.isUsed }
            for address in left.keys { state.open[address] = nil }
            return Array(left.values)
        }
        for listener in left { await listener.close() }
    }

    /// Serves on an address until a signal; takes over a listener that is open there, with a certificate that is read anew.
    /// Returns when every request that this user has begun is answered.
    ///
    /// - Parameter onListening: called when requests are accepted.
    /// - Throws: `HTTPListenerError` where the address or the certificate cannot be had.
    public func serve(
        _ address: ListenAddress, tls: ServerTLS?, limits: HTTPLimits, logger: Logger, until stop: StopSignal,
        onListening: @escaping @Sendable () async -> Void, handler: @escaping HTTPListener.Handler
    ) async throws {
        let listener = try await listener(address, tls, limits, logger)
        do {
            try await listener.use(handler, until: stop, onListening: onListening)
        } catch {
            forget(listener, address)
            throw error
        }
        if isHandingOver { return await listener.leave() }
        forget(listener, address)
        await listener.close()
    }

    private func listener(
        _ address: ListenAddress, _ tls: ServerTLS?, _ limits: HTTPLimits, _ logger: Logger
    ) async throws -> SharedListener {
        if let open = state.withLock({ $0.open[address] }), !open.isUsed {
            if (open.certificate == nil) == (tls == nil) {
                if let tls { try open.certificate?.replace(by: tls) }
                return open
            }
            // From plain to TLS or back there is no way but to listen anew.
            forget(open, address)
            await open.close()
        }
        let certificate = try tls.map { try ServerCertificate($0) }
        let made = SharedListener(address: address, certificate: certificate, limits: limits, logger: logger)
        state.withLock { $0.open[address] = made }
        return made
    }

    private func forget(_ listener: SharedListener, _ address: ListenAddress) {
        state.withLock { state in
            if state.open[address] === listener { state.open[address] = nil }
        }
    }
}
