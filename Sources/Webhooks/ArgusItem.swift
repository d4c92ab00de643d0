import Cryptography
public import Wire

/// An item as Argus keeps it: an id, an owner, data, and a time to live that is worked out when it is written.
public struct ArgusItem: Sendable, Equatable {
    /// 64 characters `0-9a-f`.
    public let id: String
    /// Whose it is; empty for nobody's.
    public let owner: String
    /// A JSON object with at least one key.
    public let data: [UInt8]
    /// When it ends.
    public let lifetime: ItemLifetime

    /// An item.
    public init(id: String, owner: String, data: [UInt8], lifetime: ItemLifetime) {
        self.id = id
        self.owner = owner
        self.data = data
        self.lifetime = lifetime
    }

    /// The id of the item of a webhook: lower-case hex SHA-256 of the bytes of its URL (ancla, webhook item id).
    public static func id(ofURL url: String) -> String { Hex.encode(Digest.sha256(url)) }

    /// The body of the request that writes it: `{"id": ..., "data": ..., "ttl": seconds}`.
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

/// How long an item lives.
public struct ItemLifetime: Sendable, Equatable {
    /// When it ends.
    public var end: Timestamp
    /// The least it is given while it lives, in seconds.
    public var minimum: Int64
    /// The most it is given, in seconds.
    public var maximum: Int64
    /// Whether an item that has ended is written all the same, with a ttl of `minimum` seconds.
    public var keepsExpired: Bool

    /// A lifetime.
    public init(end: Timestamp, minimum: Int64 = 0, maximum: Int64 = .max, keepsExpired: Bool = false) {
        self.end = end
        self.minimum = minimum
        self.maximum = maximum
        self.keepsExpired = keepsExpired
    }

    /// The longest time that Go's `time.Duration` holds, in seconds. Readers are Go programs, and the original gateway wrote no
    /// more than this for a registration without end.
    private static let maximumSeconds = Int64.max / 1_000_000_000

    /// The whole seconds that are left, rounded down, within the bounds and never negative.
    public func secondsLeft(at now: Timestamp) -> Int64 {
        let left = min(max(0, (end - now).components.seconds), Self.maximumSeconds)
        return max(minimum, min(maximum, left))
    }

    /// Whether there is less than a second left, and the item is not to be written any more.
    public func isExpired(at now: Timestamp) -> Bool {
        !keepsExpired && (end - now) < .seconds(1)
    }
}
