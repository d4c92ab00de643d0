public import Telemetry
import Locking

/// The process's listeners. Several pipelines may serve on one address, each at a path of its own; and a listener may pass from one
/// user to the next without being closed: a pipeline that is replaced by another leaves its place to it, and a client that connects
/// meanwhile waits instead of being refused. May be used from any thread.
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

    /// Whether there is a place whose user has left and that nobody has taken over.
    public var hasUnclaimedPaths: Bool { state.withLock { $0.open.values.contains { $0.awaitsSuccessor } } }

    /// From now on, who stops leaves its listener open, and requests wait for the next user.
    public func beginHandover() { state.withLock { $0.isHandingOver = true } }

    /// The hand-over is complete: what nobody took over is closed, and what waits there is told to come again.
    public func endHandover() async {
        let (all, left) = state.withLock { state in
            state.isHandingOver = false
            let left = state.open.filter { !$0.value.isUsed }
            for address in left.keys { state.open[address] = nil }
            return (Array(state.open.values), Array(left.values))
        }
        for listener in all { listener.endWaiting() }
        for listener in left { await listener.close() }
    }

    /// Serves at a path of an address, and below it where nobody else does, until a signal; shares a listener that is open there,
    /// with a certificate that is read anew. Returns when every request that this user has begun is answered.
    ///
    /// - Parameters:
    ///   - limits: the size of bodies is bounded for this path, the rest by what the first user of the address says.
    ///   - tls: where this cannot be read and a listener is handed over, its certificate stays, which is logged.
    ///   - onListening: called when requests are accepted.
    /// - Throws: `HTTPListenerError` where the address, the path or the certificate cannot be had.
    public func serve(
        _ address: ListenAddress, path: String, tls: ServerTLS?, limits: HTTPLimits, logger: Logger,
        until stop: StopSignal,
        onListening: @escaping @Sendable () async -> Void, handler: @escaping HTTPListener.Handler
    ) async throws {
        let listener = try await listener(address, tls, limits, logger)
        do {
            try await listener.use(
                path: path, bodyBytes: limits.bodyBytes, handler, until: stop, onListening: onListening,
                leaves: { isHandingOver })
        } catch {
            removeUnused(listener, address)
            throw error
        }
        if removeUnused(listener, address) { await listener.close() }
    }

    private func listener(
        _ address: ListenAddress, _ tls: ServerTLS?, _ limits: HTTPLimits, _ logger: Logger
    ) async throws -> SharedListener {
        if let open = state.withLock({ $0.open[address] }) {
            if (open.certificate == nil) == (tls == nil) {
                if let tls {
                    do {
                        try open.certificate?.replace(by: tls)
                    } catch  where isHandingOver {
                        logger.error(
                            "the certificate is not replaced; the one before is shown on",
                            metadata: ["address": "\(address)", "reason": "\(error)"])
                    }
                }
                return open
            }
            guard !open.isUsed else {
                throw HTTPListenerError(
                    "cannot listen on \(address): another pipeline listens there \(tls == nil ? "with" : "without") TLS"
                )
            }
            // From plain to TLS or back there is no way but to listen anew.
            let certificate = try tls.map { try ServerCertificate($0) }
            removeUnused(open, address)
            await open.close()
            return add(address, certificate, limits, logger)
        }
        return add(address, try tls.map { try ServerCertificate($0) }, limits, logger)
    }

    private func add(
        _ address: ListenAddress, _ certificate: ServerCertificate?, _ limits: HTTPLimits, _ logger: Logger
    ) -> SharedListener {
        state.withLock { state in
            if let open = state.open[address] { return open }
            let created = SharedListener(address: address, certificate: certificate, limits: limits, logger: logger)
            state.open[address] = created
            return created
        }
    }

    /// Takes a listener out of the pool that nobody uses and nobody is to take over.
    @discardableResult
    private func removeUnused(_ listener: SharedListener, _ address: ListenAddress) -> Bool {
        state.withLock { state in
            guard !listener.isUsed, !(state.isHandingOver && listener.awaitsSuccessor) else { return false }
            if state.open[address] === listener { state.open[address] = nil }
            return true
        }
    }
}
