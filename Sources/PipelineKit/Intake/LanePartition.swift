/// The keys of one lane.
public struct LanePartition: Sendable {
    let index: Int
    /// The number of lanes.
    let count: Int

    public static let all = LanePartition(index: 0, count: 1)

    /// Whether the partition holds all keys, so that no key has to be hashed.
    public var isAll: Bool { count == 1 }

    /// Returns whether a key with this `stableHash` is in the partition.
    public func contains(keyHash: UInt64) -> Bool { Self.index(ofHash: keyHash, count: count) == index }

    static func index(ofHash hash: UInt64, count: Int) -> Int { Int(hash % UInt64(count)) }
}
