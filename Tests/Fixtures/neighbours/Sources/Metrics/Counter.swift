/// A counter as another package has one.
public struct Counter: Sendable {
    /// What it counts.
    public let label: String

    /// A counter.
    public init(label: String) { self.label = label }
}
