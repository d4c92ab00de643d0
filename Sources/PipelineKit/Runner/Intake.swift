import Locking
import Wire

/// The way into a pipeline: what a source hands its messages to. May be used from any thread.
public final class Intake: Sendable {
    let gate: Gate
    private let lanes: [Lane]
    private let patience: Patience
    private let metrics: PipelineMetrics
    private let clock: MonotonicClock
    private let spool: SpoolEntrance?
    /// What each receipt of a lane does with its answer. The same for all, but each a closure of its own: lanes that count the
    /// references to one would hold each other up.
    private let ends: [Receipt.End]

    init(
        gate: Gate, lanes: [Lane], patience: Patience, metrics: PipelineMetrics, clock: MonotonicClock,
        undertaker: Undertaker, spool: SpoolEntrance?
    ) {
        self.gate = gate
        self.lanes = lanes
        self.patience = patience
        self.metrics = metrics
        self.clock = clock
        self.spool = spool
        ends = lanes.map { _ in
            let ended: Receipt.End = { receipt, settlement, till in
                metrics.settled(settlement, taking: (clock.now() - receipt.acceptedAt).inNanoseconds)
                receipt.settled(settlement)
                if let till { till.put() } else { gate.leave() }
            }
            return { undertaker.settle($0, $1, $2, ended: ended) }
        }
    }

    /// Takes a message and waits for how it ended, for a sender that waits too.
    ///
    /// - Parameter limit: how long to wait at most, for room and for the end together. After that the answer is `failed`;
    ///   a message that was inside already goes on and may still be delivered.
    public func submit(_ message: Message, within limit: Duration) async -> Settlement {
        await patience.wait(limit) { id in
            if let spool { return spool.take(message) { [patience] in patience.answer(id, $0) } }
            let ticket = gate.enter { [self] isOpen in
                guard isOpen else { return patience.answer(id, Self.closing) }
                start(message) { [patience] in patience.answer(id, $0) }
            }
            if let ticket { patience.whenGivingUp(id) { [gate] in gate.withdraw(ticket) } }
        }
    }

    /// Takes a message as soon as there is room: what holds back a source that could go on for ever.
    ///
    /// - Parameter settled: called once with how it ended, on a queue of the pipeline; must not block.
    /// - Throws: `IntakeClosed` where the pipeline takes nothing any more.
    public func send(_ message: Message, settled: @escaping @Sendable (Settlement) -> Void = { _ in }) async throws {
        if let spool {
            let settlement = await withCheckedContinuation { continuation in
                spool.take(message) { continuation.resume(returning: $0) }
            }
            return settled(settlement)
        }
        guard await gate.enter() else { throw IntakeClosed() }
        start(message, settled)
    }

    /// Has messages made as there is room for them, for a source that makes them without waiting for anything: each lane makes
    /// those of its own keys, so that nothing has to be handed from one thread to another. With a spool they go into it.
    ///
    /// - Parameter series: makes the series of a lane's share of the keys. Their `next` is called on that lane's queue.
    /// - Returns: when all series have ended, or, without a spool, the pipeline takes nothing any more. Messages may still be
    ///   inside then.
    public func pull(_ series: (LaneShare) -> MessageSeries) async {
        if let spool {
            let all = series(.all)
            while let messages = all.next(Lane.stretch) { await spool.take(messages, all.settled) }
            return
        }
        await withTaskGroup { group in
            for (index, lane) in lanes.enumerated() {
                let series = series(LaneShare(index: index, count: lanes.count))
                group.addTask { [end = ends[index]] in await lane.pull(series, end) }
            }
        }
    }

    private static let closing = Settlement.failed(reason: "the pipeline is shutting down", retryAfter: nil)

    /// Lets a message in for which a credit is held, and gives that back when it has ended.
    func start(_ message: Message, _ settled: @escaping @Sendable (Settlement) -> Void) {
        let lane = LaneShare.index(ofHash: stableHash(message.key), count: lanes.count)
        lanes[lane].accept(receipt(message, settled, ends[lane]))
    }

    /// Ends a message for which a credit is held, without letting it in: a refused one goes to the dead letters, then its credit is
    /// given back.
    func end(
        _ message: Message, with settlement: Settlement, _ settled: @escaping @Sendable (Settlement) -> Void
    ) { receipt(message, settled, ends[0]).settle(settlement) }

    private func receipt(
        _ message: Message, _ settled: @escaping @Sendable (Settlement) -> Void, _ end: @escaping Receipt.End
    ) -> Receipt {
        Receipt(message, acceptedAt: clock.now(), settled: settled, end: end)
    }
}

/// The way into a pipeline that has a spool: a message counts as taken when it is on the disk.
struct SpoolEntrance: Sendable {
    let spool: any MessageSpool
    let feeder: SpoolFeeder
    let metrics: PipelineMetrics

    /// Takes messages, and returns when it has answered for each.
    func take(_ messages: [Message], _ answer: @escaping @Sendable (Settlement) -> Void) async {
        guard !messages.isEmpty else { return }
        await withCheckedContinuation { continuation in
            let left = Mutex(messages.count)
            for message in messages {
                take(message) { settlement in
                    answer(settlement)
                    let isLast = left.withLock { left in
                        left -= 1
                        return left == 0
                    }
                    if isLast { continuation.resume() }
                }
            }
        }
    }

    func take(_ message: Message, answer: @escaping @Sendable (Settlement) -> Void) {
        spool.append(message) { result in
            metrics.spooled(result)
            switch result {
            case .stored(let number):
                answer(.spooled)
                feeder.stored(SpooledMessage(number: number, message: message))
            case .duplicate: answer(.spooled)
            case .full: answer(.failed(reason: "the spool is full", retryAfter: .seconds(30)))
            case .failed(let reason): answer(.failed(reason: "the spool cannot be written: \(reason)", retryAfter: nil))
            }
        }
    }
}

/// The pipeline takes no more messages.
public struct IntakeClosed: Error, CustomStringConvertible {
    /// For people.
    public var description: String { "the pipeline is shutting down and takes no more messages" }
}
