import Locking

/// A moment at which something of a loop is done unless it is put off or cleared before: one for each connection, set anew again and
/// again. On its loop only.
///
/// Putting a deadline off costs an assignment: the loop's heap keeps the entry that is there, and looks again when that is due.
package final class Deadline {
    /// No moment.
    private static let never = UInt64.max

    private unowned let loop: EventLoop
    /// When it passes.
    private var due = never
    /// The time of its entry in the loop's heap that counts; others, left behind by a nearer moment, are passed over.
    private var queued = never
    private var action: (() -> Void)?

    fileprivate init(_ loop: EventLoop, _ action: @escaping () -> Void) {
        self.loop = loop
        self.action = action
    }

    /// Passes in so long, whatever was set before.
    package func set(in duration: Duration) { set(inNanoseconds: duration.wholeNanoseconds) }

    /// Passes in so many nanoseconds, whatever was set before.
    package func set(inNanoseconds nanoseconds: UInt64) {
        loop.assertCurrent()
        guard action != nil else { return }
        due = loop.deadlines.now + min(nanoseconds, Self.never / 4)
        guard due < queued else { return }
        queued = due
        loop.deadlines.insert(due, self)
    }

    /// Does not pass.
    package func clear() { due = Self.never }

    /// Never passes again; what it would have done is let go.
    package func cancel() {
        due = Self.never
        action = nil
        guard queued != Self.never else { return }
        queued = Self.never
        loop.deadlines.abandonEntry()
    }

    /// Whether an entry of the heap still stands for it.
    fileprivate func isQueued(at time: UInt64) -> Bool { queued == time }

    /// Its entry is due: passes, or queues itself again where it was put off.
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
    /// A deadline that is not set yet. Who makes it calls `cancel` when it ends; on the loop.
    package func makeDeadline(_ action: @escaping () -> Void) -> Deadline { Deadline(self, action) }
}

/// The deadlines of a loop.
struct DeadlineHeap {
    private struct Entry: Comparable {
        let time: UInt64
        let deadline: Deadline

        static func < (left: Entry, right: Entry) -> Bool { left.time < right.time }
        static func == (left: Entry, right: Entry) -> Bool { left.time == right.time }
    }

    /// The time on the monotonic clock, in nanoseconds: when the loop last woke up.
    var now: UInt64 = 0
    private var heap = Heap<Entry>()
    /// How many entries nobody waits for any more.
    private var abandoned = 0

    /// The number of entries, those that were left behind included.
    var count: Int { heap.count }

    /// The milliseconds until the next is due, for epoll_wait; -1 where there is none.
    var wait: Int32 {
        guard let next = heap.min else { return -1 }
        guard next.time > now else { return 0 }
        return Int32(clamping: (next.time - now + 999_999) / 1_000_000)
    }

    mutating func insert(_ time: UInt64, _ deadline: Deadline) { heap.insert(Entry(time: time, deadline: deadline)) }

    /// An entry is of no use any more. Where most are, the heap is made anew, so that connections that come and go leave nothing.
    mutating func abandonEntry() {
        abandoned += 1
        guard abandoned > 128, abandoned > heap.count / 2 else { return }
        let counting = heap.unordered.filter { $0.deadline.isQueued(at: $0.time) }
        heap.removeAll()
        for entry in counting { heap.insert(entry) }
        abandoned = 0
    }

    /// Takes out a deadline whose entry is due and still counts.
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
    /// Lets pass what is due.
    func passDeadlines() {
        while let deadline = deadlines.popDue() { deadline.pass(deadlines.now) }
    }
}

extension Duration {
    /// The duration in nanoseconds; 0 for one that is negative, a hundred years for one that is longer.
    package var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        return UInt64(min(seconds, 100 * 366 * 86_400)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
