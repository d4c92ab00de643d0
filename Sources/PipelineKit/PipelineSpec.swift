public import Logging
public import Metrics
public import Wire

/// A pipeline as somebody wants it: checked, but not made yet.
public struct PipelineSpec: Sendable {
    /// A stage with its checked options.
    public struct StageSpec: Sendable {
        /// Its name in the pipeline, unique there.
        public var name: String
        /// What it is.
        public var kind: StageRegistry.Kind
        /// Its options.
        public var options: Options
        /// Where it is written.
        public var location: SourceLocation?

        /// A stage.
        public init(name: String, kind: StageRegistry.Kind, options: Options, location: SourceLocation?) {
            self.name = name
            self.kind = kind
            self.options = options
            self.location = location
        }
    }

    /// Its name.
    public var name: String
    /// Where messages come from.
    public var source: StageSpec
    /// Filters and transforms in order.
    public var stages: [StageSpec]
    /// Where messages go.
    public var sink: StageSpec
    /// How the runner works.
    public var settings: RunnerSettings

    /// A pipeline.
    public init(
        name: String, source: StageSpec, stages: [StageSpec], sink: StageSpec,
        settings: RunnerSettings = RunnerSettings()
    ) {
        self.name = name
        self.source = source
        self.stages = stages
        self.sink = sink
        self.settings = settings
    }

    /// Whether the source's sender sends again what failed, so that the pipeline can be replaced while it runs.
    public var isReplaceable: Bool { source.kind.redelivers }

    /// Makes the stages, without I/O, and notes what does not go together.
    ///
    /// - Parameters:
    ///   - dryRunSink: takes the place of the sink in a trial run.
    ///   - other: takes the place of the source.
    ///   - durability: what outlives the process.
    /// - Returns: nil where there was an error.
    public func build(
        logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        now: @escaping @Sendable () -> Timestamp = { .now() }, dryRunSink: (any Sink)? = nil,
        replacingSource other: (any Source)? = nil, durability: Durability = Durability(),
        _ diagnostics: inout Diagnostics
    ) -> Pipeline? {
        func make(_ spec: StageSpec) -> AnyStage? {
            var stageLogger = logger
            stageLogger[metadataKey: "pipeline"] = "\(name)"
            stageLogger[metadataKey: "stage"] = "\(spec.name)"
            let context = StageContext(
                pipeline: name, stage: spec.name, logger: stageLogger, metrics: metrics, now: now,
                isDryRun: dryRunSink != nil)
            do {
                return try spec.kind.make(spec.options, context)
            } catch let error as OptionError {
                diagnostics.error("\(spec.kind.title): \(error)", at: error.location ?? spec.location)
            } catch {
                diagnostics.error("\(spec.kind.title): \(error)", at: spec.location)
            }
            return nil
        }
        let madeSource = make(source)
        let madeStages = stages.map(make)
        let madeSink = make(sink)
        guard case .source(let source) = madeSource, case .sink(let sink) = madeSink else { return nil }
        var steps: [StageChain.Step] = []
        for (spec, made) in zip(stages, madeStages) {
            switch made {
            case .filter(let filter): steps.append(.init(name: spec.name, work: .filter(filter)))
            case .transform(let transform): steps.append(.init(name: spec.name, work: .transform(transform)))
            default: return nil
            }
        }
        var settings = settings
        if settings.retry.maxElapsed == nil, self.source.kind.redelivers, durability.spool == nil, other == nil {
            settings.retry.maxElapsed = .seconds(8)
        }
        return Pipeline(
            name: name, source: other ?? source, steps: steps, sink: dryRunSink ?? sink, sinkName: self.sink.name,
            settings: settings, logger: logger, metrics: metrics, now: now, durability: durability)
    }
}

extension PipelineSpec.StageSpec {
    /// Makes a store of dead letters of a sink, without I/O.
    ///
    /// - Returns: nil where this is no sink, or its options do not go together, which is noted.
    public func makeDeadLetters(
        pipeline: String, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        _ diagnostics: inout Diagnostics
    ) -> (any DeadLetterStore)? {
        let context = StageContext(pipeline: pipeline, stage: "dead-letters", logger: logger, metrics: metrics)
        do {
            guard case .sink(let sink) = try kind.make(options, context) else { return nil }
            return SinkDeadLetters(sink: sink)
        } catch {
            diagnostics.error("\(kind.title): \(error)", at: (error as? OptionError)?.location ?? location)
            return nil
        }
    }
}

/// How a runner works.
public struct RunnerSettings: Sendable {
    /// How many lanes run filters and transforms side by side.
    public var lanes: Int
    /// The most messages inside at once.
    public var capacity: Int
    /// What is done about transient failures.
    public var retry: RetryPolicy
    /// When the sink is left alone.
    public var breaker: BreakerPolicy
    /// How long messages inside may take to end once a stop was asked for.
    public var shutdownGrace: Duration

    /// Settings; by default as many lanes as there are processors.
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
