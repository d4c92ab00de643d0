import Cryptography
public import Wire

/// An item of Argus: an id, an owner, data, and a lifetime from which the ttl is computed when it is written.
public struct ArgusItem: Sendable, Equatable {
    /// 64 characters `0-9a-f`.
    public let id: String
    /// The owner; empty for none.
    public let owner: String
    /// A JSON object with at least one key.
    public let data: [UInt8]
    /// When it expires.
    public let lifetime: ItemLifetime

    public init(id: String, owner: String, data: [UInt8], lifetime: ItemLifetime) {
        self.id = id
        self.owner = owner
        self.data = data
        self.lifetime = lifetime
    }

    /// Returns the id of a webhook's item: the SHA-256 of its URL in lower-case hex (ancla, webhook item id).
    public static func id(ofURL url: String) -> String { Hex.encode(Digest.sha256(url)) }

    /// Returns the body of the request that writes the item: `{"id": ..., "data": ..., "ttl": seconds}`.
    public func body(at now: Timestamp) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(data.count + 128)
        JSONWriter.append("{\"id\":", to: &output)
        JSONWriter.append(string: id, to: &output)
        JSONWriter.append(",\"data\":", to: &output)
        output.append(contentsOf: data)
        JSONWriter.append(",\"ttl\":", to: &output)
        JSONWriter.append(integer: lifetime.secondsLeft(at: now), to: &output)
        JSONWriter.append("}", to: &output)
        return output
    }
}

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
