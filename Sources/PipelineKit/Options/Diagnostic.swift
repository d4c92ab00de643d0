/// An error or a warning about a configuration, with its location if known.
public struct Diagnostic: Sendable, Equatable {
    public enum Severity: String, Sendable {
        /// The configuration cannot be used.
        case error
        /// The configuration can be used, but probably not as intended.
        case warning
    }

    public var severity: Severity
    /// What is wrong and how to fix it, without a full stop. Never holds the value of a secret.
    public var message: String
    public var location: SourceLocation?

    public init(_ severity: Severity = .error, _ message: String, at location: SourceLocation?) {
        self.severity = severity
        self.message = message
        self.location = location
    }
}
