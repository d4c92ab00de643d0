import Dispatch
import Locking

/// Callers who wait for a settlement, but not for ever. One slow timer looks after all of them, because a timer for each
/// message would cost more than the message.
///
/// May be used from any thread. A caller is answered exactly once: by whoever takes its entry out.
final class Patience: Sendable {
    private struct Caller {
        let deadline: Duration
        let answer: CheckedContinuation<Settlement, Never>
        var giveUp: @Sendable () -> Void = {}
    }

    private struct State {
        var nextID: UInt64 = 0
        var callers: [UInt64: Caller] = [:]
        var isTicking = false
    }

    private let state = Mutex(State())
    private let clock: MonotonicClock
    private let queue: DispatchQueue

    init(pipeline: String, clock: MonotonicClock) {
        self.clock = clock
        queue = DispatchQueue(label: "hecate.\(pipeline).patience")
    }

    /// Waits until `answer` is called with the id, at most `limit` (to a tenth of a second, or a tenth of the limit).
    ///
    /// - Parameters:
    ///   - giveUp: called when the time is up before.
    ///   - begin: called with the id before the wait begins.
    func wait(_ limit: Duration, begin: (UInt64) -> Void) async -> Settlement {
        await withCheckedContinuation { continuation in
            let (id, startsTicking) = state.withLock { state in
                state.nextID += 1
                state.callers[state.nextID] = Caller(deadline: clock.now() + limit, answer: continuation)
                defer { state.isTicking = true }
                return (state.nextID, !state.isTicking)
            }
            if startsTicking { tick() }
            begin(id)
        }
    }

    /// Says what to do when the time of a caller is up.
    func whenGivingUp(_ id: UInt64, _ giveUp: @escaping @Sendable () -> Void) {
        state.withLock { $0.callers[id]?.giveUp = giveUp }
    }

    /// Answers a caller, if it still waits.
    func answer(_ id: UInt64, _ settlement: Settlement) {
        state.withLock { $0.callers.removeValue(forKey: id) }?.answer.resume(returning: settlement)
    }

    private func tick() {
        queue.asyncAfter(deadline: .now() + .milliseconds(100)) { [self] in
            let now = clock.now()
            let (late, goesOn) = state.withLock { state in
                let late = state.callers.filter { $0.value.deadline <= now }
                for id in late.keys { state.callers[id] = nil }
                state.isTicking = !state.callers.isEmpty
                return (late, state.isTicking)
            }
            for caller in late.values {
                caller.giveUp()
                caller.answer.resume(
                    returning: .failed(reason: "no answer within the time the sender is held", retryAfter: nil))
            }
            if goesOn { tick() }
        }
    }
}
