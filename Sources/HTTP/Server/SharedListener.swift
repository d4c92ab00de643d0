import Locking
import Telemetry

/// A listener that several users share, each with a path and everything below it. A user can hand its path over to a
/// successor, for which requests wait. Thread-safe.
public final class SharedListener: Sendable {
    /// The handler of a path.
    private final class Route: Responder.Observer {
        let path: String
        let bodyBytes: Int
        let handler: HTTPListener.Handler
        let progress = Mutex((active: 0, whenIdle: CheckedContinuation<Void, Never>?.none))

        init(path: String, bodyBytes: Int, handler: @escaping HTTPListener.Handler) {
            self.path = path
            self.bodyBytes = bodyBytes
            self.handler = handler
        }

        func begin() { progress.withLock { $0.active += 1 } }

        func requestEnded() {
            let idle: CheckedContinuation<Void, Never>? = progress.withLock { progress in
                progress.active -= 1
                guard progress.active == 0 else { return nil }
                defer { progress.whenIdle = nil }
                return progress.whenIdle
            }
            idle?.resume()
        }

        /// Returns when all its requests are answered.
        func waitUntilIdle() async {
            await withCheckedContinuation { continuation in
                let isIdle = progress.withLock { progress in
                    if progress.active > 0 { progress.whenIdle = continuation }
                    return progress.active == 0
                }
                if isIdle { continuation.resume() }
            }
        }
    }

    /// A request that waits for a successor.
    private struct Waiting {
        let request: ServerRequest
        let responder: Responder
    }

    private struct State {
        var routes: [Route] = []
        /// Paths that wait for a successor.
        var vacated: Set<String> = []
        /// Paths whose users have ended: requests are told to retry rather than that nothing exists.
        var ended: Set<String> = []
        var isClosed = false
        var waiting: [Waiting] = []
        /// The largest body limit of any user so far.
        var bodyBytes = 0
        var server: HTTPListener?
        var serving: Task<Void, any Error>?
        var listening: Task<Void, any Error>?
    }

    private enum Match {
        case route(Route)
        case successor
        case ended
        case unclaimed
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

    /// Whether any path is served.
    var isUsed: Bool { state.withLock { !$0.routes.isEmpty } }

    /// Whether a path was handed over and not taken yet.
    var awaitsSuccessor: Bool { state.withLock { !$0.vacated.isEmpty } }

    /// Serves a path and everything below it that nobody else serves, until the signal. The first user starts
    /// listening. Returns when all its requests are answered.
    ///
    /// - Parameter leaves: returns, after the signal, whether requests wait for a successor.
    /// - Throws: `HTTPListenerError` if it cannot listen at the address, or the path is taken.
    func use(
        path: String, bodyBytes: Int, _ handler: @escaping HTTPListener.Handler, until stop: StopSignal,
        onListening: @escaping @Sendable () async -> Void, leaves: @Sendable () -> Bool
    ) async throws {
        let route = Route(path: path, bodyBytes: bodyBytes, handler: handler)
        let waiting: [Waiting]? = state.withLock { state in
            guard !state.routes.contains(where: { $0.path == path }) else { return nil }
            state.routes.append(route)
            state.vacated.remove(path)
            state.ended.remove(path)
            state.bodyBytes = max(state.bodyBytes, bodyBytes)
            let matching = state.waiting.filter { Self.covers(path, $0.request.path) }
            state.waiting.removeAll { Self.covers(path, $0.request.path) }
            for _ in matching { route.begin() }
            return matching
        }
        guard let waiting else {
            throw HTTPListenerError("cannot listen on \(address): the path \(path) is another pipeline's there")
        }
        for each in waiting {
            each.responder.observe(route)
            each.responder.onLoop { route.handler(each.request, each.responder) }
        }
        do {
            try await listening().value
        } catch {
            remove(route, leaves: false)
            throw error
        }
        await onListening()
        await stop.wait()
        remove(route, leaves: leaves())
        await route.waitUntilIdle()
    }

    private func remove(_ route: Route, leaves: Bool) {
        state.withLock { state in
            state.routes.removeAll { $0 === route }
            if leaves { state.vacated.insert(route.path) } else { state.ended.insert(route.path) }
        }
    }

    /// Ends waiting for successors: waiting requests are told to retry.
    func endWaiting() {
        let waiting = state.withLock { state in
            state.ended.formUnion(state.vacated)
            state.vacated = []
            defer { state.waiting = [] }
            return state.waiting
        }
        for each in waiting { each.responder.respond(Self.closing) }
    }

    /// Closes the listener. Returns when all received requests are answered.
    func close() async {
        let (server, serving) = state.withLock { state in
            state.isClosed = true
            return (state.server, state.serving)
        }
        endWaiting()
        await server?.stop()
        // Its users were told why it ended.
        _ = await serving?.result
    }

    /// Returns whether a path equals another or is below it.
    private static func covers(_ path: String, _ other: String) -> Bool {
        guard path != "/" else { return true }
        return other.hasPrefix(path)
            && (other.utf8.count == path.utf8.count || other.dropFirst(path.count).first == "/")
    }

    /// Finds the handler of a path: the longest matching path decides.
    private static func match(_ path: String, _ state: State) -> Match {
        var match = Match.unclaimed
        var longest = -1
        for route in state.routes where route.path.utf8.count > longest && covers(route.path, path) {
            (match, longest) = (.route(route), route.path.utf8.count)
        }
        for vacated in state.vacated where vacated.utf8.count > longest && covers(vacated, path) {
            (match, longest) = (.successor, vacated.utf8.count)
        }
        for ended in state.ended where ended.utf8.count > longest && covers(ended, path) {
            (match, longest) = (.ended, ended.utf8.count)
        }
        return match
    }

    /// Starts the listener once; the task ends when it listens.
    private func listening() -> Task<Void, any Error> {
        state.withLock { state in
            if let listening = state.listening { return listening }
            let created = HTTPListener(
                address: address, certificate: certificate, limits: limits, logger: logger,
                bodyBytes: { [weak self] in self?.maximumBody(at: $0) ?? 0 }
            ) { [weak self] request, responder in
                guard let self else { return responder.respond(Self.closing) }
                answer(request, responder)
            }
            let outcome = AsyncStream.makeStream(of: Result<Void, any Error>.self)
            let serving = Task {
                do {
                    try await created.run { outcome.continuation.yield(.success(())) }
                    outcome.continuation.yield(.success(()))
                } catch {
                    outcome.continuation.yield(.failure(error))
                    throw error
                }
            }
            let listening = Task {
                for await result in outcome.stream { return try result.get() }
            }
            state.server = created
            state.serving = serving
            state.listening = listening
            return listening
        }
    }

    private func maximumBody(at path: String) -> Int {
        state.withLock { state in
            switch Self.match(path, state) {
            case .route(let route): route.bodyBytes
            case .successor, .ended, .unclaimed: state.bodyBytes
            }
        }
    }

    private static let closing = ServerResponse.text(
        503, "the gateway is shutting down", headers: ["Retry-After": "5"])

    /// Passes a request to the handler of its path, or lets it wait for a successor.
    private func answer(_ request: ServerRequest, _ responder: Responder) {
        let (match, isUsed) = state.withLock { state -> (Match?, Bool) in
            let match = Self.match(request.path, state)
            switch match {
            case .route(let route): route.begin()
            case .successor where !state.isClosed:
                state.waiting.append(Waiting(request: request, responder: responder))
                return (nil, true)
            case .successor, .ended, .unclaimed: break
            }
            return (match, !state.routes.isEmpty)
        }
        switch match {
        case nil: break
        case .route(let route):
            responder.observe(route)
            route.handler(request, responder)
        case .unclaimed where isUsed: responder.respond(.text(404, "no messages are received at this path"))
        case .successor, .ended, .unclaimed: responder.respond(Self.closing)
        }
    }
}
