import Locking
import Wire

/// Takes messages from a source into the pipeline. Thread-safe.
public final class Intake: Sendable {
    let creditPool: CreditPool
    private let lanes: [Lane]
    private let submitTimeouts: SubmitTimeouts
    private let metrics: PipelineMetrics
    private let clock: MonotonicClock
    private let spool: SpoolIntake?
    /// What each lane's receipts call when they are settled. The closures do the same, but each lane has its own: with
    /// a shared one the lanes would contend for its reference count.
    private let completions: [Receipt.Completion]

    init(
        creditPool: CreditPool, lanes: [Lane], submitTimeouts: SubmitTimeouts, metrics: PipelineMetrics,
        clock: MonotonicClock,
        deadLetterRouter: DeadLetterRouter, spool: SpoolIntake?
    ) {
        self.creditPool = creditPool
        self.lanes = lanes
        self.submitTimeouts = submitTimeouts
        self.metrics = metrics
        self.clock = clock
        self.spool = spool
        completions = lanes.map { _ in
            let completion: Receipt.Completion = { receipt, settlement, creditBatch in
                metrics.recordSettlement(settlement, duration: (clock.now() - receipt.acceptedAt).inNanoseconds)
                receipt.settled(settlement)
                if let creditBatch { creditBatch.add() } else { creditPool.release() }
            }
            return { deadLetterRouter.route($0, $1, $2, completion: completion) }
        }
    }

    /// Submits a message and reports how it ended, for a sender that waits for the answer.
    ///
    /// - Parameters:
    ///   - limit: how long admission and processing may take in total. After that the answer is `failed`; a message
    ///     that was already admitted goes on and may still be delivered.
    ///   - answer: called exactly once, on any thread, possibly before this method returns. Must not block.
    public func submit(
        _ message: Message, within limit: Duration, answer: @escaping @Sendable (Settlement) -> Void
    ) {
        let now = clock.now()
        let pending = submitTimeouts.add(until: now + limit, answer)
        if let spool { return spool.submit(message) { pending.answer($0) } }
        if creditPool.tryAcquire() > 0 { return start(message, at: now) { pending.answer($0) } }
        let ticket = creditPool.acquire { [self] isOpen in
            guard isOpen else { return pending.answer(Self.shutdownSettlement) }
            start(message) { pending.answer($0) }
        }
        if let ticket { pending.onTimeout { [creditPool] in creditPool.cancel(ticket) } }
    }

    /// Submits a message and returns how it ended.
    public func submit(_ message: Message, within limit: Duration) async -> Settlement {
        await withCheckedContinuation { continuation in
            submit(message, within: limit) { continuation.resume(returning: $0) }
        }
    }

    /// Sends a message when the pipeline has a free credit. This applies back-pressure to a source that could produce
    /// without limit.
    ///
    /// - Parameter settled: called once with how the message ended, on a queue of the pipeline. Must not block.
    /// - Throws: `IntakeClosed` if the pipeline is shutting down.
    public func send(_ message: Message, settled: @escaping @Sendable (Settlement) -> Void = { _ in }) async throws {
        if let spool {
            guard await spool.submitAll([message], settled) == 0 else { throw IntakeClosed() }
            return
        }
        guard await creditPool.acquire() else { throw IntakeClosed() }
        start(message, settled)
    }

    /// Pulls messages from generators as credits become free, for a source that computes its messages without waiting.
    /// Each lane generates the messages of its own keys, so that none is handed from one thread to another. With a
    /// spool the messages are appended to it.
    ///
    /// - Parameter generator: makes the generator for a lane's partition of the keys. Its `next` is called on the
    ///   lane's queue.
    /// - Returns: when all generators have ended or the pipeline is shutting down. Messages may still be in the
    ///   pipeline then.
    public func pull(_ generator: (LanePartition) -> MessageGenerator) async {
        if let spool {
            let all = generator(.all)
            while let messages = all.next(Lane.batchLimit) {
                let remaining = await spool.submitAll(messages, all.settled)
                for _ in 0..<remaining { all.settled(Self.shutdownSettlement) }
                guard remaining == 0 else { return }
            }
            return
        }
        await withTaskGroup { group in
            for (index, lane) in lanes.enumerated() {
                let generator = generator(LanePartition(index: index, count: lanes.count))
                group.addTask { [complete = completions[index]] in await lane.pull(generator, complete) }
            }
        }
    }

    private static let shutdownSettlement = Settlement.failed(reason: "the pipeline is shutting down", retryAfter: nil)

    /// Starts a message for which a credit is held, and releases the credit when the message has ended.
    ///
    /// - Parameter now: when the message was admitted; the current time by default.
    func start(_ message: Message, at now: Duration? = nil, _ settled: @escaping @Sendable (Settlement) -> Void) {
        let lane = LanePartition.index(ofHash: stableHash(message.key), count: lanes.count)
        lanes[lane].accept(
            Receipt(message, acceptedAt: now ?? clock.now(), settled: settled, complete: completions[lane]))
    }

    /// Settles a message for which a credit is held without running it: a refused message goes to the dead letters;
    /// then the credit is released.
    func settle(
        _ message: Message, with settlement: Settlement, _ settled: @escaping @Sendable (Settlement) -> Void
    ) { Receipt(message, acceptedAt: clock.now(), settled: settled, complete: completions[0]).settle(settlement) }
}

/// The error of a pipeline that accepts no more messages.
public struct IntakeClosed: Error, CustomStringConvertible {
    public var description: String { "the pipeline is shutting down and accepts no more messages" }
}
