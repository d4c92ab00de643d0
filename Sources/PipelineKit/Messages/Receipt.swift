import Locking

/// How a message ended. Every message that was accepted ends in exactly one way.
public enum Settlement: Sendable, Equatable {
    /// The sink has accepted it.
    case delivered
    /// The message is on disk and is processed from there. An answer to the sender, not an end.
    case spooled
    /// The named filter stopped the message on purpose.
    case filtered(stage: String)
    /// The content expired and was not written.
    case expired
    /// A newer message of the same key was written instead.
    case superseded
    /// The message can never succeed and was stored as a dead letter, where a person can see it.
    case deadLettered(reason: String)
    /// The message can never succeed, and the sender is told so. `attempts` is how often the sink was tried.
    case refused(stage: String, reason: String, attempts: Int)
    /// The message failed this time: the sender should send it again, not before `retryAfter`.
    case failed(reason: String, retryAfter: Duration?)

    /// Whether the sender need not send the message again.
    public var isSuccess: Bool {
        switch self {
        case .delivered, .spooled, .filtered, .expired, .superseded, .deadLettered: true
        case .refused, .failed: false
        }
    }

    /// The name in metrics and logs.
    public var name: String { kind.name }

    /// The settlement without its details. The raw value is the index in `allCases`.
    enum Kind: Int, CaseIterable {
        case delivered, spooled, filtered, expired, superseded, deadLettered, refused, failed

        var name: String {
            switch self {
            case .delivered: "delivered"
            case .spooled: "spooled"
            case .filtered: "filtered"
            case .expired: "expired"
            case .superseded: "superseded"
            case .deadLettered: "dead_lettered"
            case .refused: "refused"
            case .failed: "failed"
            }
        }
    }

    var kind: Kind {
        switch self {
        case .delivered: .delivered
        case .spooled: .spooled
        case .filtered: .filtered
        case .expired: .expired
        case .superseded: .superseded
        case .deadLettered: .deadLettered
        case .refused: .refused
        case .failed: .failed
        }
    }

    /// How severe the settlement is. Of the parts of a message the most severe settlement is reported.
    var severity: Int {
        switch self {
        case .filtered: 0
        case .expired: 1
        case .superseded: 2
        case .delivered, .spooled: 3
        case .deadLettered: 4
        case .refused: 5
        case .failed: 6
        }
    }
}

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

/// Credits that a lane releases together, so that waiters are woken once for many. Used on the lane's queue only.
final class CreditBatch {
    private var count = 0

    var isEmpty: Bool { count == 0 }

    func add() { count += 1 }

    /// Removes all credits and returns how many there were.
    func drain() -> Int {
        defer { count = 0 }
        return count
    }
}
