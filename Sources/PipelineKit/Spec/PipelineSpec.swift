public import Telemetry
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
        /// For a filter: the sink that takes what it stops; nil where that ends there.
        public var otherwise: StageSpec? {
            get { otherwiseStorage.first }
            set { otherwiseStorage = newValue.map { [$0] } ?? [] }
        }
        /// A list because a value cannot hold itself.
        private var otherwiseStorage: [StageSpec] = []

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
    ///   - dryRunSink: takes the place of the sink in a trial run, and of those of filters.
    ///   - other: takes the place of the source.
    ///   - durability: what outlives the process.
    ///   - tap: where what passes can be looked at.
    /// - Returns: nil where there was an error.
    public func build(
        logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        now: @escaping @Sendable () -> Timestamp = { .now() }, dryRunSink: (any Sink)? = nil,
        replacingSource replacement: (any Source)? = nil, durability: Durability = Durability(), tap: Tap? = nil,
        _ diagnostics: inout Diagnostics
    ) -> Pipeline? {
        let context = StageContext(
            pipeline: name, stage: "", logger: logger, metrics: metrics, now: now, isDryRun: dryRunSink != nil)
        var settings = settings
        if settings.retry.maxElapsed == nil, source.kind.redelivers, durability.spool == nil, replacement == nil {
            settings.retry.maxElapsed = .seconds(8)
        }
        let sourceStage = source.make(context, &diagnostics)
        let steps = makeSteps(context, dryRunSink: dryRunSink, retry: settings.retry, &diagnostics)
        let sinkStage = sink.make(context, &diagnostics)
        guard case .source(let source) = sourceStage, case .sink(let sink) = sinkStage, let steps else { return nil }
        return Pipeline(
            name: name, source: replacement ?? source, steps: steps, sink: dryRunSink ?? sink, sinkName: self.sink.name,
            settings: settings, logger: logger, metrics: metrics, now: now, durability: durability, tap: tap)
    }

    /// Makes the filters and transforms; nil where one of them cannot be made, which is noted.
    func makeSteps(
        _ context: StageContext, dryRunSink: (any Sink)?, retry: RetryPolicy, _ diagnostics: inout Diagnostics
    ) -> [StageChain.Step]? {
        var steps: [StageChain.Step] = []
        for spec in stages {
            var output: DivertedOutput?
            if let otherwise = spec.otherwise {
                let filterContext = spec.context(in: context)
                do {
                    let sink = try filterContext.makeSink(otherwise, named: "\(spec.name).otherwise")
                    output = DivertedOutput(dryRunSink ?? sink, stage: spec.name, retry: retry)
                } catch {
                    otherwise.report(error, &diagnostics)
                }
            }
            switch spec.make(context, &diagnostics) {
            case .filter(let filter):
                steps.append(.init(name: spec.name, operation: .filter(filter), otherwise: output))
            case .transform(let transform): steps.append(.init(name: spec.name, operation: .transform(transform)))
            case .source, .sink, nil: break
            }
        }
        return steps.count == stages.count ? steps : nil
    }
}

extension PipelineSpec.StageSpec {
    /// The context of a stage of a pipeline.
    func context(in pipeline: StageContext) -> StageContext {
        var context = pipeline
        context.stage = name
        context.logger[metadataKey: "pipeline"] = "\(pipeline.pipeline)"
        context.logger[metadataKey: "stage"] = "\(name)"
        return context
    }

    /// Makes the stage in a pipeline; nil after noting why not.
    func make(_ pipeline: StageContext, _ diagnostics: inout Diagnostics) -> AnyStage? {
        do {
            return try kind.make(options, context(in: pipeline))
        } catch {
            report(error, &diagnostics)
            return nil
        }
    }

    /// Notes why the stage cannot be made.
    func report(_ error: any Error, _ diagnostics: inout Diagnostics) {
        diagnostics.error("\(kind.title): \(error)", at: (error as? OptionError)?.location ?? location)
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
            return SinkDeadLetters(sink: try context.makeSink(self, named: "dead-letters"))
        } catch {
            report(error, &diagnostics)
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
