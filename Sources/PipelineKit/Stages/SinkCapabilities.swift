/// How the runner may use a sink.
public struct SinkCapabilities: Sendable {
    /// The maximum number of messages in a call of `write`.
    public var batch: Int
    /// The maximum number of concurrent calls of `write`.
    public var inFlight: Int
    /// Whether a message replaces what was written under its key, so that of several waiting messages of a key only the
    /// newest is written.
    public var isUpsert: Bool

    public init(batch: Int = 1, inFlight: Int = 1, isUpsert: Bool = false) {
        self.batch = batch
        self.inFlight = inFlight
        self.isUpsert = isUpsert
    }
}
