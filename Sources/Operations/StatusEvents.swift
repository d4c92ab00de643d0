import HTTP
import Locking

/// Tells everybody who looks at the status page, every second, what there is to see; works out nothing while nobody looks. May be used
/// from any thread.
final class StatusEvents: Sendable {
    private struct State {
        var watchers: [Int: AsyncStream<[UInt8]>.Continuation] = [:]
        var next = 0
        var ticking: Task<Void, Never>?
        var isStopped = false
    }

    /// The most who may look at once.
    static let maximumWatchers = 32
    private static let interval = Duration.seconds(1)

    private let state = Mutex(State())
    private let status: @Sendable () -> [UInt8]

    /// - Parameter status: the status as JSON in one line.
    init(status: @escaping @Sendable () -> [UInt8]) { self.status = status }

    /// A stream of server-sent events; 503 where too many look already.
    ///
    /// Source of the format: HTML Living Standard, "Server-sent events".
    func answer() -> ServerResponse {
        // Who reads slowly is told less often, never later.
        let (pieces, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1))
        let number: Int? = state.withLock { state in
            guard !state.isStopped, state.watchers.count < Self.maximumWatchers else { return nil }
            state.next += 1
            state.watchers[state.next] = continuation
            if state.ticking == nil { state.ticking = Task { [weak self] in await self?.tick() } }
            return state.next
        }
        guard let number else {
            return .text(503, "\(Self.maximumWatchers) look at this page already", headers: ["Retry-After": "10"])
        }
        continuation.onTermination = { [weak self] _ in self?.leave(number) }
        var response = ServerResponse(
            status: 200, headers: ["Cache-Control": "no-store", "X-Accel-Buffering": "no"],
            contentType: "text/event-stream", body: Array("retry: 2000\n\n".utf8))
        response.stream = BodyStream(pieces)
        return response
    }

    /// Ends all streams, so that the server can stop.
    func stop() {
        let watchers = state.withLock { state in
            state.isStopped = true
            state.ticking?.cancel()
            defer { state.watchers = [:] }
            return state.watchers.values
        }
        for watcher in watchers { watcher.finish() }
    }

    private func leave(_ number: Int) { state.withLock { $0.watchers[number] = nil } }

    private func tick() async {
        while true {
            let watchers = state.withLock { state in
                if state.watchers.isEmpty || state.isStopped { state.ticking = nil }
                return state.watchers.values
            }
            guard !watchers.isEmpty else { return }
            let event = Array("data: ".utf8) + status() + Array("\n\n".utf8)
            for watcher in watchers { watcher.yield(event) }
            try? await Task.sleep(for: Self.interval)
        }
    }
}
