import Locking
import PipelineKit

/// Collects the outcomes of a batch whose messages are written concurrently, and passes them on when the last one has
/// arrived.
final class OutcomeCollector: Sendable {
    private struct State {
        var outcomes: [WriteOutcome?]
        var missing: Int
    }

    private let state: Mutex<State>
    private let done: @Sendable ([WriteOutcome]) -> Void

    /// - Parameter count: the number of messages, at least one.
    private init(_ count: Int, _ done: @escaping @Sendable ([WriteOutcome]) -> Void) {
        state = Mutex(State(outcomes: Array(repeating: nil, count: count), missing: count))
        self.done = done
    }

    private func set(_ index: Int, _ outcome: WriteOutcome) {
        let all: [WriteOutcome]? = state.withLock { state in
            guard state.outcomes[index] == nil else { return nil }
            state.outcomes[index] = outcome
            state.missing -= 1
            return state.missing == 0 ? state.outcomes.compactMap { $0 } : nil
        }
        if let all { done(all) }
    }

    /// Writes each message of a batch.
    ///
    /// - Parameters:
    ///   - write: calls back once, on any thread, possibly before it returns.
    ///   - done: called once with the outcomes in the order of the messages.
    static func write(
        _ batch: [Message], _ write: (Message, @escaping @Sendable (WriteOutcome) -> Void) -> Void,
        done: @escaping @Sendable ([WriteOutcome]) -> Void
    ) {
        switch batch.count {
        case 0: done([])
        case 1: write(batch[0]) { done([$0]) }
        default:
            let collector = OutcomeCollector(batch.count, done)
            for (index, message) in batch.enumerated() { write(message) { collector.set(index, $0) } }
        }
    }
}
