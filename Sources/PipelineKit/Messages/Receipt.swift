import Locking

/// The obligation to answer for one accepted message. It is settled exactly once, when all parts of the message have
/// ended; later calls are ignored.
///
/// Thread-safe. Observers and the completion are called on the thread that settles the last part.
final class Receipt: Sendable {
    private struct State {
        var parts = 1
        var worst: Settlement?
        var isSettled = false
        var observers: [@Sendable (Settlement) -> Void] = []
    }

    /// The message as it was accepted.
    let message: Message
    /// When the message was admitted, by the pipeline's clock.
    let acceptedAt: Duration
    /// The callback of whoever submitted the message.
    let settled: @Sendable (Settlement) -> Void
    private let state = Mutex(State())
    private let complete: Completion

    /// Reports a settlement and releases the message's credit, into the batch if there is one.
    typealias Completion = @Sendable (Receipt, Settlement, CreditBatch?) -> Void

    /// - Parameters:
    ///   - settled: stored for `complete` to call.
    ///   - complete: reports the settlement. One closure for all messages of a lane, so that a receipt costs one
    ///     allocation.
    init(
        _ message: Message, acceptedAt: Duration, settled: @escaping @Sendable (Settlement) -> Void,
        complete: @escaping Completion
    ) {
        self.message = message
        self.acceptedAt = acceptedAt
        self.settled = settled
        self.complete = complete
    }

    /// Splits the obligation: the message became several parts, each of which must be settled. Call it before any of
    /// them is settled.
    func split(into parts: Int) { state.withLock { $0.parts += parts - 1 } }

    /// Adds an observer that is called with the settlement before it is reported. Call it before the receipt is
    /// settled.
    func observe(_ observer: @escaping @Sendable (Settlement) -> Void) {
        state.withLock { $0.observers.append(observer) }
    }

    /// Settles one part.
    ///
    /// - Parameter creditBatch: takes the credit, if the caller releases several at once. Without it the credit is
    ///   released here.
    func settle(_ settlement: Settlement, _ creditBatch: CreditBatch? = nil) {
        let answer: (Settlement, [@Sendable (Settlement) -> Void])? = state.withLock { state in
            guard !state.isSettled else { return nil }
            if settlement.severity >= (state.worst?.severity ?? -1) { state.worst = settlement }
            state.parts -= 1
            guard state.parts <= 0, let worst = state.worst else { return nil }
            state.isSettled = true
            defer { state.observers = [] }
            return (worst, state.observers)
        }
        guard let (settlement, observers) = answer else { return }
        for observer in observers { observer(settlement) }
        complete(self, settlement, creditBatch)
    }
}
