import Locking

/// Limits the number of concurrent writes of a pipeline over all its lanes. Wakes a waiting lane when a slot becomes
/// free. Thread-safe.
final class InFlightWindow: Sendable {
    private struct State {
        var free: Int
        var waiting: Deque<Int> = []
    }

    private let state: Mutex<State>
    /// The number of writes in flight. Read without the lock, written with the lock held.
    private let shownUsed = Atomic<Int>(0)

    init(size: Int) { state = Mutex(State(free: max(1, size))) }

    var used: Int { shownUsed.load(ordering: .relaxed) }

    /// Acquires a slot for a write. Returns false, and remembers the lane as waiting, if none is free.
    func acquire(lane: Int) -> Bool {
        state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                shownUsed.add(1, ordering: .relaxed)
                // The lane no longer waits: a wake-up that it does not need would be missed by another lane.
                if !state.waiting.isEmpty { state.waiting.removeAll { $0 == lane } }
                return true
            }
            if !state.waiting.contains(lane) { state.waiting.append(lane) }
            return false
        }
    }

    /// Returns the lane that has waited longest if a slot is free. A lane that was woken and needs no slot calls this
    /// to pass the wake-up on.
    func nextWaitingLane() -> Int? { state.withLock { $0.free > 0 ? $0.waiting.popFirst() : nil } }

    /// Releases a slot.
    ///
    /// - Returns: the lane that has waited longest and must be woken.
    func release() -> Int? {
        state.withLock { state in
            state.free += 1
            shownUsed.subtract(1, ordering: .relaxed)
            return state.waiting.popFirst()
        }
    }
}
