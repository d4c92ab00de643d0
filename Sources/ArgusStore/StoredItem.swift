public import Wire

/// A stored item.
public struct StoredItem: Sendable, Equatable {
    /// The owner; empty for none.
    public var owner: String
    /// A JSON object.
    public var data: [UInt8]
    /// When it expires.
    public var end: Timestamp
}
