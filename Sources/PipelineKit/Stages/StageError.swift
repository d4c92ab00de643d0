/// Why a filter or a transform cannot process a message.
public struct StageError: Error, CustomStringConvertible {
    /// The reason, for people.
    public let description: String
    /// Whether the stage may succeed later with the same message, as with a rate limit. Otherwise the message is
    /// refused.
    public let isTransient: Bool
    /// The minimum delay of a transient error.
    public let retryAfter: Duration?

    /// Makes a permanent error.
    public init(_ reason: String) { (description, isTransient, retryAfter) = (reason, false, nil) }

    /// Makes a transient error.
    public init(transient reason: String, retryAfter: Duration? = nil) {
        (description, isTransient, self.retryAfter) = (reason, true, retryAfter)
    }
}
