import Locking

/// A one-time event that can be awaited.
public final class StopSignal: Sendable {
    private struct State {
        var isFired = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    public init() {}

    /// Fires the event; only the first call counts.
    public func fire() {
        let waiting = state.withLock { state in
            state.isFired = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when the event was fired.
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
