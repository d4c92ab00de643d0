/// The outcome of writing a message.
public enum WriteOutcome: Sendable, Equatable {
    /// It is written.
    case delivered
    /// The content had expired; it was not written.
    case expired
    /// The stored version is newer; the message was not written.
    case superseded
    /// The write failed and may succeed later, not before `retryAfter`.
    case transient(reason: String, retryAfter: Duration?)
    /// The message can never be written.
    case permanent(reason: String)

    /// The outcome without its details. The raw value is the index in `allCases`.
    enum Kind: Int, CaseIterable {
        case delivered, expired, superseded, transient, permanent
    }

    var kind: Kind {
        switch self {
        case .delivered: .delivered
        case .expired: .expired
        case .superseded: .superseded
        case .transient: .transient
        case .permanent: .permanent
        }
    }

    /// The name in metrics and logs.
    var name: String { "\(kind)" }
}
