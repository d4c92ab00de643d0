/// Generates messages on demand, by computation alone.
public struct MessageGenerator: Sendable {
    /// Returns the next messages in order, at least one and at most as many as asked for; nil at the end. Called by one
    /// thread at a time. Must not block.
    public var next: @Sendable (Int) -> [Message]?
    /// Called once for each message with how it ended, on a queue of the pipeline. Must not block.
    public var settled: @Sendable (Settlement) -> Void

    public init(next: @escaping @Sendable (Int) -> [Message]?, settled: @escaping @Sendable (Settlement) -> Void) {
        self.next = next
        self.settled = settled
    }
}
