public import Telemetry
public import Wire

/// The environment of a stage, beside its options.
public struct StageContext: Sendable {
    public var pipeline: String
    /// The stage's name in the pipeline, by default its kind.
    public var stage: String
    /// The logger, which carries the names of the pipeline and the stage.
    public var logger: Logger
    /// The factory for metrics. Make them in `init`, never while messages are processed.
    public var metrics: any MetricsFactory
    /// The wall clock.
    public var now: @Sendable () -> Timestamp
    /// Whether this is a dry run, which must not change anything outside.
    public var isDryRun: Bool

    /// Makes a context, by default with the process's metrics and clock.
    public init(
        pipeline: String, stage: String, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        now: @escaping @Sendable () -> Timestamp = { .now() }, isDryRun: Bool = false
    ) {
        self.pipeline = pipeline
        self.stage = stage
        self.logger = logger
        self.metrics = metrics
        self.now = now
        self.isDryRun = isDryRun
    }
}
