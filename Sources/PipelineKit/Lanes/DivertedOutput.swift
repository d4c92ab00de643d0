import Locking

/// Writes the messages that a filter stops to a sink of their own (`otherwise`). A message is settled as filtered when
/// that sink has accepted it. Retries transient failures in order.
///
/// Thread-safe. The credits of its messages bound its size.
final class DivertedOutput: Sendable {
    private struct Entry: Sendable {
        let number: Int
        let message: Message
        let enqueuedAt: Duration
    }

    private struct State {
        var waiting: [Entry] = []
        var handlers: [Int: @Sendable (Settlement) -> Void] = [:]
        var nextNumber = 0
        var isWriting = false
    }

    let sink: any Sink
    let stage: String
    private let retry: RetryPolicy
    private let clock: MonotonicClock
    private let state = Mutex(State())

    /// - Parameter stage: the name of the filter.
    init(_ sink: any Sink, stage: String, retry: RetryPolicy, clock: MonotonicClock = .system) {
        self.sink = sink
        self.stage = stage
        self.retry = retry
        self.clock = clock
    }

    /// Queues a message. `settled` is called once.
    func enqueue(_ message: Message, settled: @escaping @Sendable (Settlement) -> Void) {
        let startsWriting = state.withLock { state in
            state.nextNumber += 1
            state.waiting.append(Entry(number: state.nextNumber, message: message, enqueuedAt: clock.now()))
            state.handlers[state.nextNumber] = settled
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if startsWriting { Task { await write() } }
    }

    /// Settles all queued messages as failed.
    func abandon(reason: String) {
        let handlers = state.withLock { state in
            defer { (state.handlers, state.waiting) = ([:], []) }
            return state.handlers.values
        }
        for handler in handlers { handler(.failed(reason: reason, retryAfter: nil)) }
    }

    private func write() async {
        while true {
            let batch: [Entry] = state.withLock { state in
                let batch = Array(state.waiting.prefix(max(1, sink.capabilities.batch)))
                state.waiting.removeFirst(batch.count)
                if batch.isEmpty { state.isWriting = false }
                return batch
            }
            if batch.isEmpty { return }
            await write(batch)
        }
    }

    private func write(_ batch: [Entry]) async {
        var remaining = batch
        var attempts = 0
        while !remaining.isEmpty {
            attempts += 1
            let outcomes = await sink.write(remaining.map(\.message))
            var toRetry: [Entry] = []
            var pause = Duration.zero
            for (index, entry) in remaining.enumerated() {
                switch index < outcomes.count ? outcomes[index] : .transient(reason: "no answer", retryAfter: nil) {
                case .delivered, .expired, .superseded: settle(entry, .filtered(stage: stage))
                case .permanent(let reason):
                    settle(entry, .refused(stage: "\(stage).otherwise", reason: reason, attempts: attempts))
                case .transient(let reason, let retryAfter):
                    pause = max(
                        pause, retry.pause(after: attempts, retryAfter: retryAfter, jitter: .random(in: 0...1)))
                    if let limit = retry.maxElapsed, clock.now() + pause - entry.enqueuedAt > limit {
                        settle(entry, .failed(reason: reason, retryAfter: retryAfter))
                    } else {
                        toRetry.append(entry)
                    }
                }
            }
            // Messages that were abandoned meanwhile have no handler and need not be written.
            remaining = state.withLock { state in toRetry.filter { state.handlers[$0.number] != nil } }
            if !remaining.isEmpty { try? await Task.sleep(for: max(pause, .milliseconds(1))) }
        }
    }

    private func settle(_ entry: Entry, _ settlement: Settlement) {
        state.withLock { $0.handlers.removeValue(forKey: entry.number) }?(settlement)
    }
}
