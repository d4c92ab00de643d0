public import Telemetry
import Locking

/// The process's listeners. Pipelines may share an address, each with its own path, and a listener can be handed over
/// without closing it: when a pipeline is replaced, requests wait for its successor instead of being refused.
/// Thread-safe.
public final class ListenerPool: Sendable {
    /// The process's pool.
    public static let shared = ListenerPool()

    private struct State {
        var open: [ListenAddress: SharedListener] = [:]
        var isHandingOver = false
    }

    private let state = Mutex(State())

    public init() {}

    /// Whether pipelines that stop now hand their listeners over.
    public var isHandingOver: Bool { state.withLock { $0.isHandingOver } }

    /// Whether a path was handed over and not taken yet.
    public var hasUnclaimedPaths: Bool { state.withLock { $0.open.values.contains { $0.awaitsSuccessor } } }

    /// Starts the handover: pipelines that stop leave their listeners open, and requests wait for the successors.
    public func beginHandover() { state.withLock { $0.isHandingOver = true } }

    /// Ends the handover: unclaimed listeners are closed, and waiting requests are told to retry.
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

    /// Checks, without changing anything, that an address can be listened on with a certificate: it is free, or listened on already.
    ///
    /// - Throws: `HTTPListenerError` if the certificate or the address cannot be used.
    public func check(_ address: ListenAddress, tls: ServerTLS?, logger: Logger) async throws {
        if let tls { _ = try ServerCertificate(tls) }
        guard state.withLock({ $0.open[address] == nil }) else { return }
        let listener = HTTPListener(address: address, limits: HTTPLimits(bodyBytes: 0), logger: logger) {
            $1.respond(.init(status: 503))
        }
        try await listener.run { await listener.stop() }
    }

    /// Serves a path of an address and everything below it that nobody else serves, until a signal. Shares an open
    /// listener and reloads its certificate. Returns when all its requests are answered.
    ///
    /// - Parameters:
    ///   - limits: the maximum body for this path; for the rest, the first user of the address decides.
    ///   - tls: if it cannot be read during a handover, the listener keeps its certificate and logs that.
    ///   - onListening: called when requests are accepted.
    /// - Throws: `HTTPListenerError` if the address, the path or the certificate cannot be used.
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
            // Switching between plain and TLS requires a new listener.
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

    /// Removes a listener that nobody uses or will take over.
    @discardableResult
    private func removeUnused(_ listener: SharedListener, _ address: ListenAddress) -> Bool {
        state.withLock { state in
            guard !listener.isUsed, !(state.isHandingOver && listener.awaitsSuccessor) else { return false }
            if state.open[address] === listener { state.open[address] = nil }
            return true
        }
    }
}
