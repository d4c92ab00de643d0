public import Wire

/// The lifetime of an item.
public struct ItemLifetime: Sendable, Equatable {
    /// When it expires.
    public var end: Timestamp
    /// The minimum ttl before it expires, in seconds.
    public var minimum: Int64
    /// The maximum ttl, in seconds.
    public var maximum: Int64
    /// Whether an expired item is still written, with a ttl of `minimum` seconds.
    public var keepsExpired: Bool

    public init(end: Timestamp, minimum: Int64 = 0, maximum: Int64 = .max, keepsExpired: Bool = false) {
        self.end = end
        self.minimum = minimum
        self.maximum = maximum
        self.keepsExpired = keepsExpired
    }

    /// The maximum of Go's `time.Duration` in seconds. Readers are Go programs, and the original gateway wrote no more
    /// than this for a registration without an end.
    private static let maximumSeconds = Int64.max / 1_000_000_000

    /// Returns the remaining whole seconds, rounded down and clamped, never negative.
    public func secondsLeft(at now: Timestamp) -> Int64 {
        let left = min(max(0, (end - now).components.seconds), Self.maximumSeconds)
        return max(minimum, min(maximum, left))
    }

    /// Returns whether less than a second is left, so that the item must not be written any more.
    public func isExpired(at now: Timestamp) -> Bool {
        !keepsExpired && (end - now) < .seconds(1)
    }
}
