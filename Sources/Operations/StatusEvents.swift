import HTTP
import Locking

/// Sends the status to all open status pages every second; idle without any. Thread-safe.
final class StatusEvents: Sendable {
    private struct State {
        var watchers: [Int: AsyncStream<[UInt8]>.Continuation] = [:]
        var next = 0
        var ticking: Task<Void, Never>?
        var isStopped = false
    }

    /// The maximum number of open pages.
    static let maximumWatchers = 32
    private static let interval = Duration.seconds(1)

    private let state = Mutex(State())
    private let status: @Sendable () -> [UInt8]

    /// - Parameter status: returns the status as one line of JSON.
    init(status: @escaping @Sendable () -> [UInt8]) { self.status = status }

    /// Returns a stream of server-sent events; 503 if there are too many.
    ///
    /// Source of the format: HTML Living Standard, "Server-sent events".
    func answer() -> ServerResponse {
        // Slow readers skip events and never see old ones.
        let (pieces, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1))
        let number: Int? = state.withLock { state in
            guard !state.isStopped, state.watchers.count < Self.maximumWatchers else { return nil }
            state.next += 1
            state.watchers[state.next] = continuation
            if state.ticking == nil { state.ticking = Task { [weak self] in await self?.tick() } }
            return state.next
        }
        guard let number else {
            return .text(
                503, "\(Self.maximumWatchers) clients watch this page already; close one",
                headers: ["Retry-After": "10"])
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
