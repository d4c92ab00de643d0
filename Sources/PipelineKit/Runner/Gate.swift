import Locking

/// The credits that bound what is inside a pipeline. Who finds none free waits in line, in the order of coming.
///
/// May be used from any thread. What is handed in runs on the thread that gives the credit back, outside the lock.
final class Gate: Sendable {
    /// Called with true when there is a credit for the caller, with false when there will be none any more.
    typealias Entry = @Sendable (Bool) -> Void

    private struct State {
        var free: Int
        var isClosed = false
        var nextTicket: UInt64 = 0
        var line: Deque<UInt64> = []
        var waiting: [UInt64: Entry] = [:]
        var whenEmpty: [@Sendable () -> Void] = []
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
    func enter(_ entry: @escaping Entry) -> UInt64? {
        enum Now { case enters, refused, waits(UInt64) }
        let now: Now = state.withLock { state in
            if state.isClosed { return .refused }
            if state.free > 0 {
                add(-1, to: &state)
                return .enters
            }
            state.nextTicket += 1
            state.line.append(state.nextTicket)
            state.waiting[state.nextTicket] = entry
            return .waits(state.nextTicket)
        }
        switch now {
        case .enters: entry(true)
        case .refused: entry(false)
        case .waits(let ticket): return ticket
        }
        return nil
    }

    /// Leaves the line; what was handed in is not called any more, unless it has been.
    func withdraw(_ ticket: UInt64) {
        state.withLock { state in
            state.waiting[ticket] = nil
            if state.line.count > 2 * state.waiting.count + 16 {
                state.line.removeAll { state.waiting[$0] == nil }
            }
        }
    }

    /// Takes credits that are free; while there are any, nobody waits for one.
    ///
    /// - Returns: how many there were, at most `limit`.
    func tryEnter(atMost limit: Int = 1) -> Int {
        state.withLock { state in
            guard !state.isClosed else { return 0 }
            let count = min(limit, state.free)
            add(-count, to: &state)
            return count
        }
    }

    /// Takes a credit, waiting for one; false when there will be none any more.
    func enter() async -> Bool {
        if tryEnter() > 0 { return true }
        return await withCheckedContinuation { continuation in enter { continuation.resume(returning: $0) } }
    }

    /// Gives credits back.
    func leave(_ count: Int = 1) {
        guard count > 0 else { return }
        let (next, callbacks): ([Entry], [@Sendable () -> Void]) = state.withLock { state in
            var next: [Entry] = []
            while next.count < count, let ticket = state.line.popFirst() {
                if let entry = state.waiting.removeValue(forKey: ticket) { next.append(entry) }
            }
            add(count - next.count, to: &state)
            guard state.free == capacity else { return (next, []) }
            defer { state.whenEmpty = [] }
            return (next, state.whenEmpty)
        }
        for entry in next { entry(true) }
        for callback in callbacks { callback() }
    }

    /// Lets nobody in any more; whoever waits is told so.
    func close() {
        let turnedAway = state.withLock { state in
            state.isClosed = true
            defer {
                state.waiting = [:]
                state.line = []
            }
            return Array(state.waiting.values)
        }
        for entry in turnedAway { entry(false) }
    }

    /// Returns when all credits are back.
    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.free == capacity { return true }
                state.whenEmpty.append { continuation.resume() }
                return false
            }
            if isEmpty { continuation.resume() }
        }
    }
}
