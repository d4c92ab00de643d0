import Logging
import Locking

/// A listener whose requests are answered by one user after the other. While there is none, requests wait for the next. May be
/// used from any thread.
public final class SharedListener: Sendable {
    private struct State {
        var handler: HTTPListener.Handler?
        var isClosed = false
        var active = 0
        var waiting: [CheckedContinuation<HTTPListener.Handler?, Never>] = []
        var whenIdle: CheckedContinuation<Void, Never>?
        var server: Task<Void, any Error>?
    }

    let certificate: ServerCertificate?
    private let address: ListenAddress
    private let limits: HTTPLimits
    private let logger: Logger
    private let state = Mutex(State())

    init(address: ListenAddress, certificate: ServerCertificate?, limits: HTTPLimits, logger: Logger) {
        self.address = address
        self.certificate = certificate
        self.limits = limits
        self.logger = logger
    }

    /// Whether somebody answers the requests.
    var isUsed: Bool { state.withLock { $0.handler != nil } }

    /// Answers requests with a handler until the signal; begins to listen where this is the first user.
    ///
    /// - Throws: `HTTPListenerError` where the address cannot be had.
    func use(
        _ handler: @escaping HTTPListener.Handler, until stop: StopSignal,
        onListening: @escaping @Sendable () async -> Void
    ) async throws {
        let (waiting, isFirst) = state.withLock { state in
            state.handler = handler
            state.active += state.waiting.count
            defer { state.waiting = [] }
            return (state.waiting, state.server == nil)
        }
        for continuation in waiting { continuation.resume(returning: handler) }
        if isFirst {
            try await listen(stop, onListening)
        } else {
            await onListening()
        }
        await stop.wait()
    }

    /// Lets requests wait for the next user; returns when those that this one has begun are answered.
    func leave() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                state.handler = nil
                if state.active == 0 { return true }
                state.whenIdle = continuation
                return false
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Closes the listener; returns when every request that had come is answered.
    func close() async {
        let (server, waiting) = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return (state.server, state.waiting)
        }
        for continuation in waiting { continuation.resume(returning: nil) }
        await listener.withLock { $0 }?.stop()
        // Why it ended was told to the first user.
        _ = await server?.result
    }

    private let listener = Mutex<HTTPListener?>(nil)

    /// Begins to listen; returns when it does.
    private func listen(_ stop: StopSignal, _ onListening: @escaping @Sendable () async -> Void) async throws {
        let made = HTTPListener(
            address: address, certificate: certificate, limits: limits, logger: logger
        ) { [self] in await answer($0) }
        listener.withLock { $0 = made }
        let outcome = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let server = Task {
            do {
                try await made.run { outcome.continuation.yield(.success(())) }
                outcome.continuation.yield(.success(()))
            } catch {
                outcome.continuation.yield(.failure(error))
                throw error
            }
        }
        state.withLock { $0.server = server }
        for await result in outcome.stream {
            try result.get()
            break
        }
        await onListening()
    }

    private func answer(_ request: HTTPServiceRequest) async -> HTTPServiceResponse {
        let handler = await withCheckedContinuation {
            (continuation: CheckedContinuation<HTTPListener.Handler?, Never>) in
            let now: HTTPListener.Handler?? = state.withLock { state in
                if let handler = state.handler {
                    state.active += 1
                    return handler
                }
                if state.isClosed { return .some(nil) }
                state.waiting.append(continuation)
                return nil
            }
            if let now { continuation.resume(returning: now) }
        }
        guard let handler else {
            return .text(503, "the gateway is shutting down", headers: ["Retry-After": "5"])
        }
        let response = await handler(request)
        let idle: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.active -= 1
            guard state.active == 0, state.handler == nil else { return nil }
            defer { state.whenIdle = nil }
            return state.whenIdle
        }
        idle?.resume()
        return response
    }
}

/// Something that happens once, and that may be waited for.
public final class StopSignal: Sendable {
    private struct State {
        var isFired = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// It has not happened yet.
    public init() {}

    /// It happens; only the first time counts.
    public func fire() {
        let waiting = state.withLock { state in
            state.isFired = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when it has happened.
    public func wait() async {
        await withCheckedContinuation { continuation in
            let isFired = state.withLock { state in
                if !state.isFired { state.waiting.append(continuation) }
                return state.isFired
            }
            if isFired { continuation.resume() }
        }
    }
}
