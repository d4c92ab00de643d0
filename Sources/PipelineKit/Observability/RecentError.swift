public import Wire

/// An error, and how often it occurred.
public struct RecentError: Sendable, Equatable {
    public var stage: String
    /// The outcome: `transient`, `permanent`, `refused`, `failed` or `full`.
    public var outcome: String
    public var reason: String
    /// How often it occurred.
    public var count: Int
    /// When it first occurred.
    public var first: Timestamp
    /// When it last occurred.
    public var last: Timestamp
}
