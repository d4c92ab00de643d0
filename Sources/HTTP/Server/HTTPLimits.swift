/// Limits for clients, so that none can exhaust the machine. All times are totals, which trickled bytes do not extend.
public struct HTTPLimits: Sendable {
    /// The maximum body where bodies have no meaning. They are read and dropped, so that the requests behind them are answered.
    public static let ignoredBody = 16 << 10

    /// The maximum size of a body in bytes.
    public var bodyBytes: Int
    /// The maximum size of the header including the request line in bytes.
    public var headerBytes = 32 << 10
    /// The maximum number of header fields.
    public var fields = 100
    /// The maximum number of connections; further ones wait to be accepted.
    public var connections = 4096
    /// How many descriptors connections leave to others, at most a quarter of all; further connections wait to be accepted.
    public var reservedDescriptors = 64
    /// The timeout of the TLS handshake, and of each following request's header.
    public var idle: Duration = .seconds(60)
    /// The timeout of a request's body.
    public var body: Duration = .seconds(15)
    /// The timeout for reading a response or a part of a streamed one; one second more for every 64 KiB in total.
    public var answer: Duration = .seconds(30)
    /// How long the rest of a refused request is read and dropped, so that its client sees the refusal and not a reset.
    public var linger: Duration = .seconds(5)

    public init(bodyBytes: Int) { self.bodyBytes = bodyBytes }
}
