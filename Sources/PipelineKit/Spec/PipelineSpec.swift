public import Telemetry
public import Wire

/// The description of a pipeline: validated, but not built.
public struct PipelineSpec: Sendable {
    /// A stage with its validated options.
    public struct StageSpec: Sendable {
        /// The name, unique in the pipeline.
        public var name: String
        public var kind: StageRegistry.Kind
        public var options: Options
        /// The location in the file.
        public var location: SourceLocation?
        /// The sink for what a filter stops; nil if it ends there.
        public var otherwise: StageSpec? {
            get { otherwiseStorage.first }
            set { otherwiseStorage = newValue.map { [$0] } ?? [] }
        }
        /// An array, because a struct cannot contain itself.
        private var otherwiseStorage: [StageSpec] = []

        public init(name: String, kind: StageRegistry.Kind, options: Options, location: SourceLocation?) {
            self.name = name
            self.kind = kind
            self.options = options
            self.location = location
        }
    }

    public var name: String
    public var source: StageSpec
    /// The filters and transforms in order.
    public var stages: [StageSpec]
    public var sink: StageSpec
    public var settings: RunnerSettings

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

    /// Whether the source's sender redelivers failed messages, so that the pipeline can be replaced while it runs.
    public var isReplaceable: Bool { source.kind.redelivers }

    /// Makes the stages without I/O, and reports what does not fit together.
    ///
    /// - Parameters:
    ///   - dryRunSink: replaces the sink and the sinks of filters in a dry run.
    ///   - replacement: replaces the source.
    ///   - durability: what survives the process.
    ///   - tap: shows messages as they pass.
    /// - Returns: nil if there was an error.
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

    /// Makes the filters and transforms. Returns nil, with a diagnostic, if one cannot be made.
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
    /// Returns the context of a stage.
    func context(in pipeline: StageContext) -> StageContext {
        var context = pipeline
        context.stage = name
        context.logger[metadataKey: "pipeline"] = "\(pipeline.pipeline)"
        context.logger[metadataKey: "stage"] = "\(name)"
        return context
    }

    /// Makes the stage. Returns nil after adding a diagnostic.
    func make(_ pipeline: StageContext, _ diagnostics: inout Diagnostics) -> AnyStage? {
        do {
            return try kind.make(options, context(in: pipeline))
        } catch {
            report(error, &diagnostics)
            return nil
        }
    }

    /// Reports why the stage cannot be made.
    func report(_ error: any Error, _ diagnostics: inout Diagnostics) {
        diagnostics.error("\(kind.title): \(error)", at: (error as? OptionError)?.location ?? location)
    }
}

extension PipelineSpec.StageSpec {
    /// Makes a dead letter store of a sink, without I/O.
    ///
    /// - Returns: nil, with a diagnostic, if the stage is no sink or cannot be made.
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
