import Wire

/// The way into a pipeline: what a source hands its messages to. May be used from any thread.
public struct Intake: Sendable {
    let gate: Gate
    let lanes: [Lane]
    let patience: Patience
    let metrics: PipelineMetrics
    let clock: MonotonicClock
    let undertaker: Undertaker
    let spool: SpoolEntrance?

    /// Takes a message and waits for how it ended, for a sender that waits too.
    ///
    /// - Parameter limit: how long to wait at most, for room and for the end together. After that the answer is `failed`;
    ///   a message that was inside already goes on and may still be delivered.
    public func submit(_ message: Message, within limit: Duration) async -> Settlement {
        await patience.wait(limit) { id in
            if let spool { return spool.take(message) { patience.answer(id, $0) } }
            let ticket = gate.enter { isOpen in
                guard isOpen else { return patience.answer(id, Self.closing) }
                start(message) { patience.answer(id, $0) }
            }
            if let ticket { patience.whenGivingUp(id) { gate.withdraw(ticket) } }
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

    private static let closing = Settlement.failed(reason: "the pipeline is shutting down", retryAfter: nil)

    /// Lets a message in for which a credit is held, and gives that back when it has ended.
    func start(_ message: Message, _ settled: @escaping @Sendable (Settlement) -> Void) {
        let started = clock.nanoseconds()
        let receipt = Receipt { end(message, with: $0, started: started, settled) }
        lanes[Int(stableHash(message.key) % UInt64(lanes.count))].accept(message, receipt, at: .nanoseconds(started))
    }
}

extension Intake {
    /// Ends a message that was let in: a refused one goes to the dead letters first, then its credit is given back.
    func end(
        _ message: Message, with settlement: Settlement, started: Int64? = nil,
        _ settled: @escaping @Sendable (Settlement) -> Void
    ) {
        undertaker.settle(settlement, of: message) { settlement in
            metrics.settled(settlement, taking: started.map { clock.nanoseconds() - $0 } ?? 0)
            settled(settlement)
            gate.leave()
        }
    }
}

/// The way into a pipeline that has a spool: a message counts as taken when it is on the disk.
struct SpoolEntrance: Sendable {
    let spool: any MessageSpool
    let feeder: SpoolFeeder
    let metrics: PipelineMetrics

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
