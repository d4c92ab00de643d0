import Locking

/// The credits that limit how many messages are in a pipeline. Callers that find none free wait in first-in, first-out
/// order.
///
/// Thread-safe. Waiters are called on the thread that releases a credit, outside the lock.
final class CreditPool: Sendable {
    /// Called with true when the caller has a credit, with false when the pool is closed.
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
    /// The number of free credits. Read without the lock, written with the lock held.
    private let shownFree: Atomic<Int>

    init(capacity: Int) {
        self.capacity = max(1, capacity)
        state = Mutex(State(free: max(1, capacity)))
        shownFree = Atomic(max(1, capacity))
    }

    /// The number of credits in use.
    var used: Int { capacity - shownFree.load(ordering: .relaxed) }

    /// Requires the lock.
    private func add(_ count: Int, to state: inout State) {
        state.free += count
        shownFree.store(state.free, ordering: .relaxed)
    }

    /// Acquires a credit now, or queues the waiter.
    ///
    /// - Returns: a ticket to cancel the wait with, if the waiter was queued.
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

    /// Cancels a wait. The waiter is not called any more, unless it already was.
    func cancel(_ ticket: UInt64) {
        state.withLock { state in
            state.waiting[ticket] = nil
            if state.queue.count > 2 * state.waiting.count + 16 {
                state.queue.removeAll { state.waiting[$0] == nil }
            }
        }
    }

    /// Acquires free credits without waiting.
    ///
    /// - Returns: how many were acquired, at most `limit`.
    func tryAcquire(atMost limit: Int = 1) -> Int {
        state.withLock { state in
            guard !state.isClosed else { return 0 }
            let count = min(limit, state.free)
            add(-count, to: &state)
            return count
        }
    }

    /// Acquires a credit and waits for one if none is free. Returns false if the pool is closed.
    func acquire() async -> Bool {
        if tryAcquire() > 0 { return true }
        return await withCheckedContinuation { continuation in acquire { continuation.resume(returning: $0) } }
    }

    /// Releases credits.
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

    /// Closes the pool and rejects all waiters.
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

    /// Returns when all credits are released.
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
