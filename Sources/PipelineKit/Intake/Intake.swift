import Locking
import Wire

/// The way into a pipeline: what a source hands its messages to. May be used from any thread.
public final class Intake: Sendable {
    let creditPool: CreditPool
    private let lanes: [Lane]
    private let submitTimeouts: SubmitTimeouts
    private let metrics: PipelineMetrics
    private let clock: MonotonicClock
    private let spool: SpoolIntake?
    /// What each receipt of a lane does with its answer. The same for all, but each a closure of its own: lanes that count the
    /// references to one would hold each other up.
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

    /// Takes a message and says how it ended, for a sender that waits for that.
    ///
    /// - Parameters:
    ///   - limit: how long it may take at most, to find room and to end together. After that the answer is `failed`; a message that
    ///     was inside already goes on and may still be delivered.
    ///   - answer: called exactly once, on any thread, also before this returns; must not block.
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

    /// The same for who waits.
    public func submit(_ message: Message, within limit: Duration) async -> Settlement {
        await withCheckedContinuation { continuation in
            submit(message, within: limit) { continuation.resume(returning: $0) }
        }
    }

    /// Takes a message as soon as there is room: what holds back a source that could go on for ever.
    ///
    /// - Parameter settled: called once with how it ended, on a queue of the pipeline; must not block.
    /// - Throws: `IntakeClosed` where the pipeline takes nothing any more.
    public func send(_ message: Message, settled: @escaping @Sendable (Settlement) -> Void = { _ in }) async throws {
        if let spool {
            guard await spool.submitAll([message], settled) == 0 else { throw IntakeClosed() }
            return
        }
        guard await creditPool.acquire() else { throw IntakeClosed() }
        start(message, settled)
    }

    /// Has messages made as there is room for them, for a source that makes them without waiting for anything: each lane makes
    /// those of its own keys, so that nothing has to be handed from one thread to another. With a spool they go into it.
    ///
    /// - Parameter series: makes the series of a lane's share of the keys. Their `next` is called on that lane's queue.
    /// - Returns: when all series have ended, or the pipeline takes nothing any more. Messages may still be inside then.
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

    /// Lets a message in for which a credit is held, and gives that back when it has ended.
    ///
    /// - Parameter now: when it was let in; by default at this moment.
    func start(_ message: Message, at now: Duration? = nil, _ settled: @escaping @Sendable (Settlement) -> Void) {
        let lane = LanePartition.index(ofHash: stableHash(message.key), count: lanes.count)
        lanes[lane].accept(
            Receipt(message, acceptedAt: now ?? clock.now(), settled: settled, complete: completions[lane]))
    }

    /// Ends a message for which a credit is held, without letting it in: a refused one goes to the dead letters, then its credit is
    /// given back.
    func settle(
        _ message: Message, with settlement: Settlement, _ settled: @escaping @Sendable (Settlement) -> Void
    ) { Receipt(message, acceptedAt: clock.now(), settled: settled, complete: completions[0]).settle(settlement) }
}

/// The way into a pipeline that has a spool: a message counts as taken when it is on the disk.
struct SpoolIntake: Sendable {
    let spool: any MessageSpool
    let feeder: SpoolFeeder
    let metrics: PipelineMetrics
    let recentErrors: RecentErrors

    /// How long who can wait rests before a full spool is asked again.
    private static let retryInterval = Duration.milliseconds(100)

    /// Takes a message for a sender that can be told to come again.
    func submit(_ message: Message, answer: @escaping @Sendable (Settlement) -> Void) {
        append([message]) { _, result in
            record(result)
            answer(result.settlement)
        }
    }

    /// Takes messages in their order, as soon as there is room for them, from a source that can wait.
    ///
    /// - Parameter settled: called for each message that is on the disk, or could not be written.
    /// - Returns: how many at the end were left, because nothing is carried on any more.
    func submitAll(_ messages: [Message], _ settled: @escaping @Sendable (Settlement) -> Void) async -> Int {
        var remaining = messages
        var isFirstTry = true
        while !remaining.isEmpty {
            let results = await append(remaining)
            // That a message found no room is counted once, however long it waits.
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
            // First, so that a source that ends with its last answer does not end the pipeline before that message has gone on.
            if case .stored(let number) = result {
                feeder.stored(SpooledMessage(number: number, message: messages[index]))
            }
            done(index, result)
        }
    }
}

/// The pipeline takes no more messages.
public struct IntakeClosed: Error, CustomStringConvertible {
    /// For people.
    public var description: String { "the pipeline is shutting down and takes no more messages" }
}
