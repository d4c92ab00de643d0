import Locking

/// How many writes may be out at once, over all lanes of a pipeline. A lane that finds none free is called when there is
/// one. May be used from any thread.
final class InFlightWindow: Sendable {
    private struct State {
        var free: Int
        var waiting: Deque<Int> = []
    }

    private let state: Mutex<State>
    /// How many writes are out, for who only wants to know it; written with the lock held.
    private let shownUsed = Atomic<Int>(0)

    init(size: Int) { state = Mutex(State(free: max(1, size))) }

    /// How many writes are out.
    var used: Int { shownUsed.load(ordering: .relaxed) }

    /// Takes a place for a write; false where none is free, and the lane is noted as waiting.
    func acquire(lane: Int) -> Bool {
        state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                shownUsed.add(1, ordering: .relaxed)
                // It waits no more: a call that it has no use for would be missing where another lane waits.
                if !state.waiting.isEmpty { state.waiting.removeAll { $0 == lane } }
                return true
            }
            if !state.waiting.contains(lane) { state.waiting.append(lane) }
            return false
        }
    }

    /// The lane that has waited longest, where there is a place for it: asked by one that was called and needed none.
    func nextWaitingLane() -> Int? { state.withLock { $0.free > 0 ? $0.waiting.popFirst() : nil } }

    /// Gives a place back.
    ///
    /// - Returns: the lane that has waited longest for one, to be woken.
    func release() -> Int? {
        state.withLock { state in
            state.free += 1
            shownUsed.subtract(1, ordering: .relaxed)
            return state.waiting.popFirst()
        }
    }
}
