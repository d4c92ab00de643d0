/// When the circuit breaker opens, and for how long.
public struct BreakerPolicy: Sendable, Equatable {
    /// The failure rate, from 0 to 1, at which the breaker opens.
    public var failureRate: Double
    /// How many writes must be counted before the failure rate is used.
    public var minimum: Int
    /// The period over which writes are counted.
    public var window: Duration
    /// How long the breaker stays open before it permits a probe. Doubles with each probe that fails, up to ten times
    /// this value.
    public var pause: Duration

    public init(
        failureRate: Double = 0.5, minimum: Int = 20, window: Duration = .seconds(10), pause: Duration = .seconds(1)
    ) {
        self.failureRate = failureRate
        self.minimum = minimum
        self.window = window
        self.pause = pause
    }
}
