/// A logger as another package has one.
public struct Logger: Sendable {
    /// Whom it logs for.
    public let label: String

    /// A logger.
    public init(label: String) { self.label = label }
}
