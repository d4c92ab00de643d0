/// How transient failures are retried: exponential backoff with full jitter, so that messages that failed together are
/// not retried together (M. Brooker, "Exponential Backoff And Jitter").
public struct RetryPolicy: Sendable {
    /// The maximum delay before the first retry. Doubles with each further retry.
    public var initial: Duration
    /// The upper limit of the delay.
    public var max: Duration
    /// How long after its arrival a message is retried; nil for no limit.
    public var maxElapsed: Duration?

    public init(initial: Duration = .milliseconds(100), max: Duration = .seconds(10), maxElapsed: Duration? = nil) {
        self.initial = initial
        self.max = max
        self.maxElapsed = maxElapsed
    }

    /// Returns the delay before the next attempt: a random share of the current limit, but at least `retryAfter`.
    ///
    /// - Parameters:
    ///   - attempts: how many attempts were made, at least 1.
    ///   - retryAfter: the delay that the sink asked for.
    ///   - jitter: the share of the limit, a random number from 0 to 1.
    func pause(after attempts: Int, retryAfter: Duration?, jitter: Double) -> Duration {
        let doublings = Swift.min(Swift.max(attempts - 1, 0), 30)
        let limit = Swift.min(max, initial * (1 << doublings))
        return Swift.max(limit * jitter, retryAfter ?? .zero)
    }
}
