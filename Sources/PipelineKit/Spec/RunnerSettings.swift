import Wire

/// The settings of a pipeline's runner.
public struct RunnerSettings: Sendable {
    /// How many lanes run filters and transforms in parallel.
    public var lanes: Int
    /// The maximum number of messages in the pipeline.
    public var capacity: Int
    /// How transient failures are retried.
    public var retry: RetryPolicy
    /// When the circuit breaker opens.
    public var breaker: BreakerPolicy
    /// How long messages may take to end after the pipeline is stopped.
    public var shutdownGrace: Duration

    /// Makes settings, by default with one lane per processor.
    public init(
        lanes: Int = availableProcessors(), capacity: Int = 1024, retry: RetryPolicy = RetryPolicy(),
        breaker: BreakerPolicy = BreakerPolicy(), shutdownGrace: Duration = .seconds(20)
    ) {
        self.lanes = lanes
        self.capacity = capacity
        self.retry = retry
        self.breaker = breaker
        self.shutdownGrace = shutdownGrace
    }
}
