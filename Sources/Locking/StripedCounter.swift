import CHecateLinux
import Synchronization

/// A counter with a slot for each processor, so that concurrent threads do not contend for a cache line. Slots are
/// atomic, because two threads may still share one. Thread-safe.
public struct StripedCounter: ~Copyable, Sendable {
    private struct Slot: ~Copyable, Sendable {
        let value = Atomic<Int>(0)
        /// Pads a slot to a cache line.
        let padding = InlineArray<7, Int>(repeating: 0)
    }

    private let slots = InlineArray<4, Slot> { _ in Slot() }

    public init() {}

    /// Adds to the counter.
    public borrowing func add(_ amount: Int) {
        let slot = Int(max(0, sched_getcpu())) % slots.count
        slots[slot].value.wrappingAdd(amount, ordering: .relaxed)
    }

    /// The sum of all slots.
    public var value: Int {
        var sum = 0
        for index in slots.indices { sum &+= slots[index].value.load(ordering: .relaxed) }
        return sum
    }
}
