import Locking

/// The credits that bound what is inside a pipeline. Who finds none free waits in line, in the order of coming.
///
/// May be used from any thread. What is handed in runs on the thread that gives the credit back, outside the lock.
final class CreditPool: Sendable {
    /// Called with true when there is a credit for the caller, with false when there will be none any more.
    typealias Waiter = @Sendable (Bool) -> Void

    private struct State {
        var free: Int
        var isClosed = false
        var nextTicket: UInt64 = 0
        var queue: Deque<UInt64> = []
        var waiting: [UInt64: Waiter] = [:]
        var onEmpty: [@Sendable () -> Void] = []
    }

    private let capacity: Int
    private let state: Mutex<State>
    /// `free` for who only wants to know it; written with the lock held.
    private let shownFree: Atomic<Int>

    init(capacity: Int) {
        self.capacity = max(1, capacity)
        state = Mutex(State(free: max(1, capacity)))
        shownFree = Atomic(max(1, capacity))
    }

    /// How many credits are out.
    var used: Int { capacity - shownFree.load(ordering: .relaxed) }

    /// With the lock held.
    private func add(_ count: Int, to state: inout State) {
        state.free += count
        shownFree.store(state.free, ordering: .relaxed)
    }

    /// Takes a credit now or in turn.
    ///
    /// - Returns: a ticket to withdraw with, where the caller has to wait.
    @discardableResult
    func acquire(_ waiter: @escaping Waiter) -> UInt64? {
        enum Outcome { case acquired, refused, queued(UInt64) }
        let outcome: Outcome = state.withLock { state in
            if state.isClosed { return .refused }
            if state.free > 0 {
                add(-1, to: &state)
                return .acquired
            }
            state.nextTicket += 1
            state.queue.append(state.nextTicket)
            state.waiting[state.nextTicket] = waiter
            return .queued(state.nextTicket)
        }
        switch outcome {
        case .acquired: waiter(true)
        case .refused: waiter(false)
        case .queued(let ticket): return ticket
        }
        return nil
    }

    /// Leaves the line; what was handed in is not called any more, unless it has been.
    func cancel(_ ticket: UInt64) {
        state.withLock { state in
            state.waiting[ticket] = nil
            if state.queue.count > 2 * state.waiting.count + 16 {
                state.queue.removeAll { state.waiting[$0] == nil }
            }
        }
    }

    /// Takes credits that are free; while there are any, nobody waits for one.
    ///
    /// - Returns: how many there were, at most `limit`.
    func tryAcquire(atMost limit: Int = 1) -> Int {
        state.withLock { state in
            guard !state.isClosed else { return 0 }
            let count = min(limit, state.free)
            add(-count, to: &state)
            return count
        }
    }

    /// Takes a credit, waiting for one; false when there will be none any more.
    func acquire() async -> Bool {
        if tryAcquire() > 0 { return true }
        return await withCheckedContinuation { continuation in acquire { continuation.resume(returning: $0) } }
    }

    /// Gives credits back.
    func release(_ count: Int = 1) {
        guard count > 0 else { return }
        let (next, callbacks): ([Waiter], [@Sendable () -> Void]) = state.withLock { state in
            var next: [Waiter] = []
            while next.count < count, let ticket = state.queue.popFirst() {
                if let waiter = state.waiting.removeValue(forKey: ticket) { next.append(waiter) }
            }
            add(count - next.count, to: &state)
            guard state.free == capacity else { return (next, []) }
            defer { state.onEmpty = [] }
            return (next, state.onEmpty)
        }
        for waiter in next { waiter(true) }
        for callback in callbacks { callback() }
    }

    /// Lets nobody in any more; whoever waits is told so.
    func close() {
        let rejected = state.withLock { state in
            state.isClosed = true
            defer {
                state.waiting = [:]
                state.queue = []
            }
            return Array(state.waiting.values)
        }
        for waiter in rejected { waiter(false) }
    }

    /// Returns when all credits are back.
    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.free == capacity { return true }
                state.onEmpty.append { continuation.resume() }
                return false
            }
            if isEmpty { continuation.resume() }
        }
    }
}
