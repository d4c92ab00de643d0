/// Messages that are made by computing alone, when there is room for them.
public struct MessageGenerator: Sendable {
    /// Makes the next messages in their order, at least one and at most as many as it is told; nil when there are no more. Called by
    /// one thread at a time; must not block.
    public var next: @Sendable (Int) -> [Message]?
    /// Called once for each message with how it ended, on a queue of the pipeline; must not block.
    public var settled: @Sendable (Settlement) -> Void

    /// A series.
    public init(next: @escaping @Sendable (Int) -> [Message]?, settled: @escaping @Sendable (Settlement) -> Void) {
        self.next = next
        self.settled = settled
    }
}

/// The keys that fall to one lane.
public struct LanePartition: Sendable {
    /// The lane's number.
    let index: Int
    /// How many lanes there are.
    let count: Int

    /// All keys.
    public static let all = LanePartition(index: 0, count: 1)

    /// Whether these are all keys, so that none has to be hashed to find out.
    public var isAll: Bool { count == 1 }

    /// Whether a key is among them, by its `stableHash`.
    public func contains(keyHash: UInt64) -> Bool { Self.index(ofHash: keyHash, count: count) == index }

    static func index(ofHash hash: UInt64, count: Int) -> Int { Int(hash % UInt64(count)) }
}
