public import Telemetry
public import Wire

/// The filters and transforms of a pipeline, at a given time: shows what they do with a message, without a source, a
/// sink or any connection.
public struct DryEvaluation: Sendable {
    /// What the stages do with a message.
    public enum Outcome: Sendable {
        /// These messages go to the sink.
        case passes([Message])
        /// A filter stops it, or nothing is left of it.
        case filtered(stage: String)
        /// A stage refuses it.
        case refused(stage: String, reason: String)
    }

    private let chain: StageChain

    init(_ chain: StageChain) { self.chain = chain }

    /// Runs all stages on a message.
    public func evaluate(_ message: Message) -> Outcome {
        var context = chain.makeContext()
        let outcome = chain.run(message, context: &context)
        let settlement: Settlement =
            switch outcome {
            case .ended(let settlement): settlement
            default: .delivered
            }
        for observation in context.observations { observation.filter.ended(observation.message, settlement) }
        switch outcome {
        case .passed(let messages): return .passes(messages)
        case .parts(let parts): return .passes(parts.passed)
        case .diverted(_, let output): return .filtered(stage: output.stage)
        case .ended(.filtered(let stage)): return .filtered(stage: stage)
        case .ended(.refused(let stage, let reason, _)): return .refused(stage: stage, reason: reason)
        case .ended(let settlement): return .refused(stage: "pipeline", reason: settlement.name)
        case .failed(let stage, let reason, _): return .refused(stage: stage, reason: reason)
        }
    }
}

extension PipelineSpec {
    /// Makes the filters and transforms for a dry evaluation, without connections and metrics.
    ///
    /// - Returns: nil, with a diagnostic, if a stage cannot be made.
    public func makeDryEvaluation(
        logger: Logger, now: @escaping @Sendable () -> Timestamp, _ diagnostics: inout Diagnostics
    ) -> DryEvaluation? {
        let metrics = SilentMetrics()
        let context = StageContext(
            pipeline: name, stage: "", logger: logger, metrics: metrics, now: now, isDryRun: true)
        let steps = makeSteps(context, dryRunSink: nil, retry: settings.retry, &diagnostics)
        let stages = steps.map { $0.map { StageMetrics(pipeline: name, stage: $0.name, factory: metrics) } }
        guard let steps, let stages else { return nil }
        return DryEvaluation(StageChain(steps, metrics: stages, clock: .system, now: now))
    }
}
