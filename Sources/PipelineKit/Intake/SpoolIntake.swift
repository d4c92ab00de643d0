import Locking
import Wire

/// The intake of a pipeline with a spool: a message is accepted when it is on disk.
struct SpoolIntake: Sendable {
    let spool: any MessageSpool
    let feeder: SpoolFeeder
    let metrics: PipelineMetrics
    let recentErrors: RecentErrors

    /// How long a sender that can wait waits before it retries a full spool.
    private static let retryInterval = Duration.milliseconds(100)

    /// Submits a message for a sender that can be told to retry.
    func submit(_ message: Message, answer: @escaping @Sendable (Settlement) -> Void) {
        append([message]) { _, result in
            record(result)
            answer(result.settlement)
        }
    }

    /// Submits messages in order for a source that can wait, as soon as the spool has free space.
    ///
    /// - Parameter settled: called for each message that was written or could not be written.
    /// - Returns: how many messages at the end were not submitted because the pipeline shut down.
    func submitAll(_ messages: [Message], _ settled: @escaping @Sendable (Settlement) -> Void) async -> Int {
        var remaining = messages
        var isFirstTry = true
        while !remaining.isEmpty {
            let results = await append(remaining)
            // A full spool is counted once for each message, however long the message waits.
            for result in results where result != .full || isFirstTry { record(result) }
            for result in results where result != .full { settled(result.settlement) }
            remaining = zip(remaining, results).filter { $1 == .full }.map(\.0)
            isFirstTry = false
            guard !remaining.isEmpty else { break }
            guard !feeder.isClosed, (try? await Task.sleep(for: Self.retryInterval)) != nil else { break }
        }
        return remaining.count
    }

    private func record(_ result: SpoolResult) {
        metrics.recordSpoolResult(result)
        if result == .full { recentErrors.record("full", at: "spool", "the spool is full") }
    }

    private func append(_ messages: [Message]) async -> [SpoolResult] {
        await withCheckedContinuation { continuation in
            let results = Mutex<[SpoolResult]>([])
            append(messages) { _, result in
                let all: [SpoolResult]? = results.withLock { results in
                    results.append(result)
                    return results.count == messages.count ? results : nil
                }
                if let all { continuation.resume(returning: all) }
            }
        }
    }

    private func append(_ messages: [Message], done: @escaping @Sendable (_ index: Int, SpoolResult) -> Void) {
        spool.append(messages) { index, result in
            // Before `done`, so that a source that ends with its last answer does not end the pipeline before that
            // message was fed into it.
            if case .stored(let number) = result {
                feeder.stored(SpooledMessage(number: number, message: messages[index]))
            }
            done(index, result)
        }
    }
}
