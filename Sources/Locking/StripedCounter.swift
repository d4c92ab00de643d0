import CHecateLinux
import Synchronization

/// A counter that many threads add to and few read: each adds in the place of the processor on which it runs, so that threads
/// that count at once do not take each other's cache line away. Two threads may still meet in one place; what is there is
/// atomic. From any thread.
public struct StripedCounter: ~Copyable, Sendable {
    private struct Slot: ~Copyable, Sendable {
        let value = Atomic<Int>(0)
        /// So much that the next place lies in another cache line.
        let padding = InlineArray<7, Int>(repeating: 0)
    }

    private let slots = InlineArray<4, Slot> { _ in Slot() }

    /// Zero.
    public init() {}

    /// Adds to it.
    public borrowing func add(_ amount: Int) {
        let slot = Int(max(0, sched_getcpu())) % slots.count
        slots[slot].value.wrappingAdd(amount, ordering: .relaxed)
    }

    /// What all have added.
    public var value: Int {
        var sum = 0
        for index in slots.indices { sum &+= slots[index].value.load(ordering: .relaxed) }
        return sum
    }
}
