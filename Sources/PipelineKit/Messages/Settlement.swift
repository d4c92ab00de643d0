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
