/// Bounds on what a client may send and how long it may take, so that none can exhaust the machine. All times are totals: a byte now
/// and then does not lengthen them.
public struct HTTPLimits: Sendable {
    /// The largest body, in bytes.
    public var bodyBytes: Int
    /// The largest header, in bytes, the request line included.
    public var headerBytes = 32 << 10
    /// The most header fields.
    public var fields = 100
    /// The most connections at once; more wait to be accepted.
    public var connections = 4096
    /// How long a connection may take over its TLS handshake; and then, or after an answer, until its next request's header is there.
    public var idle: Duration = .seconds(60)
    /// How long a request's body may take.
    public var body: Duration = .seconds(15)
    /// How long a client may read nothing of an answer, or of a piece of one that comes in pieces. In total it has as long, and a second
    /// more for every 64 KiB.
    public var answer: Duration = .seconds(30)

    /// How long what a refused client still sends is read and thrown away, so that it sees the refusal and not a reset.
    public var linger: Duration = .seconds(5)

    /// Limits.
    public init(bodyBytes: Int) { self.bodyBytes = bodyBytes }
}
