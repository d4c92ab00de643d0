/// What of a pipeline survives its process.
public struct Durability: Sendable {
    /// The spool, where messages wait on disk.
    public var spool: (any MessageSpool)?
    /// How long a message may wait in the spool. An older one goes to the dead letters.
    public var maxAge: Duration?
    /// The store for messages that can never succeed.
    public var deadLetters: (any DeadLetterStore)?

    public init(
        spool: (any MessageSpool)? = nil, maxAge: Duration? = nil, deadLetters: (any DeadLetterStore)? = nil
    ) {
        self.spool = spool
        self.maxAge = maxAge
        self.deadLetters = deadLetters
    }
}
