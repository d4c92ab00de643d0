import Wire

/// The way into a pipeline: what a source hands its messages to. May be used from any thread.
public struct Intake: Sendable {
    let gate: Gate
    let lanes: [Lane]
    let patience: Patience
    let metrics: PipelineMetrics
    let clock: MonotonicClock

    /// Takes a message and waits for how it ended, for a sender that waits too.
    ///
    /// - Parameter limit: how long to wait at most, for room and for the end together. After that the answer is `failed`;
    ///   a message that was inside already goes on and may still be delivered.
    public func submit(_ message: Message, within limit: Duration) async -> Settlement {
        await patience.wait(limit) { id in
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
        let isOpen = await withCheckedContinuation { continuation in
            gate.enter { continuation.resume(returning: $0) }
        }
        guard isOpen else { throw IntakeClosed() }
        start(message, settled)
    }

    private static let closing = Settlement.failed(reason: "the pipeline is shutting down", retryAfter: nil)

    private func start(_ message: Message, _ settled: @escaping @Sendable (Settlement) -> Void) {
        let started = clock.now()
        let receipt = Receipt { settlement in
            metrics.settled(settlement, taking: clock.now() - started)
            settled(settlement)
            gate.leave()
        }
        lanes[Int(stableHash(message.key) % UInt64(lanes.count))].accept(message, receipt)
    }
}

/// The pipeline takes no more messages.
public struct IntakeClosed: Error, CustomStringConvertible {
    /// For people.
    public var description: String { "the pipeline is shutting down and takes no more messages" }
}
