public import Telemetry
public import Wire

/// The filters and transforms of a pipeline on their own, at a time of one's choosing: to see what would become of a message,
/// without a source, a sink, or anything outside.
public struct DryEvaluation: Sendable {
    /// What would become of a message.
    public enum Outcome: Sendable {
        /// It would go to the sink as these.
        case passes([Message])
        /// A filter would stop it, or nothing would be left of it.
        case filtered(stage: String)
        /// A stage would refuse it.
        case refused(stage: String, reason: String)
    }

    private let chain: StageChain

    init(_ chain: StageChain) { self.chain = chain }

    /// Runs a message through all stages, for its time as the stages see it.
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
    /// Makes the filters and transforms for a trial; nothing outside is touched or measured.
    ///
    /// - Returns: nil where a stage cannot be made, which is noted.
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
