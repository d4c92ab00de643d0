/// What is done about a transient failure: exponential back-off with full jitter, so that many that failed together do
/// not come back together (M. Brooker, "Exponential Backoff And Jitter").
public struct RetryPolicy: Sendable {
    /// The longest pause before the first retry; it doubles with every further one.
    public var initial: Duration
    /// The longest pause of all.
    public var max: Duration
    /// How long after a message came it is still tried again; nil for as long as it takes.
    public var maxElapsed: Duration?

    /// A policy.
    public init(initial: Duration = .milliseconds(100), max: Duration = .seconds(10), maxElapsed: Duration? = nil) {
        self.initial = initial
        self.max = max
        self.maxElapsed = maxElapsed
    }

    /// The pause before the next try: anything from nothing to the present limit, but never less than was asked for.
    ///
    /// - Parameters:
    ///   - attempts: how often it was tried, at least 1.
    ///   - retryAfter: what the other side asked for.
    ///   - jitter: a random number from 0 to 1: the share of the limit.
    func pause(after attempts: Int, retryAfter: Duration?, jitter: Double) -> Duration {
        let doublings = Swift.min(Swift.max(attempts - 1, 0), 30)
        let limit = Swift.min(max, initial * (1 << doublings))
        return Swift.max(limit * jitter, retryAfter ?? .zero)
    }
}
