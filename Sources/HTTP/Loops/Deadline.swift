import Locking

/// A resettable deadline of an event loop, such as a connection's timeout. Used on its event loop only.
///
/// Postponing costs an assignment: the heap keeps the old entry, which is queued again when it is due.
package final class Deadline {
    /// No deadline.
    private static let never = UInt64.max

    private unowned let loop: EventLoop
    /// When the deadline passes.
    private var due = never
    /// The time of its valid entry in the heap. Others, abandoned for an earlier time, are skipped.
    private var queued = never
    private var action: (() -> Void)?

    fileprivate init(_ loop: EventLoop, _ action: @escaping () -> Void) {
        self.loop = loop
        self.action = action
    }

    /// Sets the deadline to a time from now.
    package func set(in duration: Duration) { set(inNanoseconds: duration.wholeNanoseconds) }

    /// Sets the deadline to a time from now in nanoseconds.
    package func set(inNanoseconds nanoseconds: UInt64) {
        loop.assertCurrent()
        guard action != nil else { return }
        due = loop.deadlines.now + min(nanoseconds, Self.never / 4)
        guard due < queued else { return }
        queued = due
        loop.deadlines.insert(due, self)
    }

    /// Clears the deadline.
    package func clear() { due = Self.never }

    /// Clears the deadline for good and releases its action.
    package func cancel() {
        due = Self.never
        action = nil
        guard queued != Self.never else { return }
        queued = Self.never
        loop.deadlines.abandonEntry()
    }

    /// Returns whether an entry of the heap is valid.
    fileprivate func isQueued(at time: UInt64) -> Bool { queued == time }

    /// Handles a due entry: calls the action, or queues the deadline again if it was postponed.
    fileprivate func pass(_ now: UInt64) {
        queued = Self.never
        guard due != Self.never else { return }
        guard due <= now else {
            queued = due
            return loop.deadlines.insert(due, self)
        }
        due = Self.never
        action?()
    }
}

extension EventLoop {
    /// Makes a deadline that is not set. Call `cancel` on the event loop when it is no longer needed.
    package func makeDeadline(_ action: @escaping () -> Void) -> Deadline { Deadline(self, action) }
}

/// The deadlines of an event loop.
struct DeadlineHeap {
    private struct Entry: Comparable {
        let time: UInt64
        let deadline: Deadline

        static func < (left: Entry, right: Entry) -> Bool { left.time < right.time }
        static func == (left: Entry, right: Entry) -> Bool { left.time == right.time }
    }

    /// The monotonic time of the last wake-up, in nanoseconds.
    var now: UInt64 = 0
    private var heap = Heap<Entry>()
    /// The number of abandoned entries.
    private var abandoned = 0

    /// The number of entries, including abandoned ones.
    var count: Int { heap.count }

    /// The milliseconds until the next deadline, for epoll_wait; -1 without one.
    var wait: Int32 {
        guard let next = heap.min else { return -1 }
        guard next.time > now else { return 0 }
        return Int32(clamping: (next.time - now + 999_999) / 1_000_000)
    }

    mutating func insert(_ time: UInt64, _ deadline: Deadline) { heap.insert(Entry(time: time, deadline: deadline)) }

    /// Marks an entry as abandoned. Rebuilds the heap when most are, so that closed connections leave nothing behind.
    mutating func abandonEntry() {
        abandoned += 1
        guard abandoned > 128, abandoned > heap.count / 2 else { return }
        let counting = heap.unordered.filter { $0.deadline.isQueued(at: $0.time) }
        heap.removeAll()
        for entry in counting { heap.insert(entry) }
        abandoned = 0
    }

    /// Removes and returns a deadline with a due, valid entry.
    mutating func popDue() -> Deadline? {
        while let next = heap.min, next.time <= now {
            _ = heap.popMin()
            if next.deadline.isQueued(at: next.time) { return next.deadline }
            abandoned = max(0, abandoned - 1)
        }
        return nil
    }
}

extension EventLoop {
    /// Handles all due deadlines.
    func passDeadlines() {
        while let deadline = deadlines.popDue() { deadline.pass(deadlines.now) }
    }
}

extension Duration {
    /// The duration in nanoseconds, clamped to 0 and a hundred years.
    package var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(min(seconds, 100 * 366 * 86_400)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
