import Locking

/// How a message ended. Every message that was taken in ends in exactly one of these.
public enum Settlement: Sendable, Equatable {
    /// The sink has it.
    case delivered
    /// It is on the disk and will be carried on from there: an answer to the sender, not an end.
    case spooled
    /// A filter, named here, stopped it on purpose.
    case filtered(stage: String)
    /// It lost its meaning on the way and was not written.
    case expired
    /// A newer message of the same key was written instead.
    case superseded
    /// It can never succeed as it is and was put aside, where a person can see it.
    case deadLettered(reason: String)
    /// It can never succeed as it is: the sender is told so. `attempts` is how often it was written.
    case refused(stage: String, reason: String, attempts: Int)
    /// It did not succeed this time: the sender should send it again, not before `retryAfter`.
    case failed(reason: String, retryAfter: Duration?)

    /// Whether the sender may forget the message.
    public var isSuccess: Bool {
        switch self {
        case .delivered, .spooled, .filtered, .expired, .superseded, .deadLettered: true
        case .refused, .failed: false
        }
    }

    /// The outcome as metrics and logs name it.
    public var name: String { kind.name }

    /// The outcome without its reasons; as a number, the place in a list of all.
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

    /// Of several messages made from one, the ending that the sender has to hear.
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

/// The answer that is owed for one message taken in. It is given exactly once, when all that was made from the message
/// has ended; what comes after that is ignored.
///
/// May be used from any thread. The answer is given on the thread that settles the last part.
final class Receipt: Sendable {
    private struct State {
        var parts = 1
        var worst: Settlement?
        var isSettled = false
        var observers: [@Sendable (Settlement) -> Void] = []
    }

    /// The message as it was taken in.
    let message: Message
    /// When it was let in, by the pipeline's clock.
    let acceptedAt: Duration
    /// What whoever handed the message in wants to be told.
    let settled: @Sendable (Settlement) -> Void
    private let state = Mutex(State())
    private let complete: Completion

    /// Gives an answer and the message's credit back; the credit into the till, where there is one.
    typealias Completion = @Sendable (Receipt, Settlement, CreditBatch?) -> Void

    /// - Parameters:
    ///   - settled: only kept here, for `complete` to call.
    ///   - end: gives the answer. The same for all messages of a pipeline, so that a receipt costs one allocation.
    init(
        _ message: Message, acceptedAt: Duration, settled: @escaping @Sendable (Settlement) -> Void,
        complete: @escaping Completion
    ) {
        self.message = message
        self.acceptedAt = acceptedAt
        self.settled = settled
        self.complete = complete
    }

    /// The message became several: each of them owes a settlement now. Called before any of them is settled.
    func split(into parts: Int) { state.withLock { $0.parts += parts - 1 } }

    /// Calls `observer` with the answer, before it is given. Called before the receipt is settled.
    func observe(_ observer: @escaping @Sendable (Settlement) -> Void) {
        state.withLock { $0.observers.append(observer) }
    }

    /// Settles one part.
    ///
    /// - Parameter till: where the credit is put, by who gives back several at once; without it, it is given back here.
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

/// Credits that one lane gives back together: whoever waits for one is woken once for many. Belongs to the lane's queue.
final class CreditBatch {
    private var count = 0

    var isEmpty: Bool { count == 0 }

    func add() { count += 1 }

    /// Takes out what is in it.
    func drain() -> Int {
        defer { count = 0 }
        return count
    }
}
