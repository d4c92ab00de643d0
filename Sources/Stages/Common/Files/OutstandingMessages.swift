import Locking
import PipelineKit

/// Counts outstanding messages and waits for the last one.
final class OutstandingMessages: Sendable {
    private let failed = Atomic<Int>(0)
    /// The outstanding messages, plus one until the owner waits, so that only the last of all reaches zero.
    private let count = Atomic<Int>(1)
    private let waiting = Mutex<CheckedContinuation<Void, Never>?>(nil)

    func add(_ number: Int = 1) { count.wrappingAdd(number, ordering: .relaxed) }

    /// How many messages failed.
    var failures: Int { failed.load(ordering: .relaxed) }

    func remove(_ number: Int = 1, failed hasFailed: Bool = false) {
        if hasFailed { failed.wrappingAdd(number, ordering: .relaxed) }
        guard count.wrappingSubtract(number, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }?.resume()
    }

    /// Returns when no message is outstanding. Called once, after the last message was added.
    func wait() async {
        await withCheckedContinuation { continuation in
            waiting.withLock { $0 = continuation }
            remove()
        }
    }
}
