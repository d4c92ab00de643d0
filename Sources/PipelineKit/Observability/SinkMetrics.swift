import Telemetry
import Wire

/// The metrics of one sink.
final class SinkMetrics: Sendable {
    /// The counters by kind of outcome.
    private let outcomes: [Counter]
    private let seconds: Timer

    init(pipeline: String, stage: String, factory: any MetricsFactory) {
        let dimensions = [("pipeline", pipeline), ("stage", stage)]
        outcomes = StageMetrics.counters(WriteOutcome.Kind.allCases.map { "\($0)" }, dimensions, factory)
        seconds = Timer(label: "xmidt_hecate_stage_seconds", dimensions: dimensions, factory: factory)
    }

    /// Records the outcomes of a write.
    func recordWrites(_ outcomes: [WriteOutcome], duration nanoseconds: Int64) {
        seconds.recordNanoseconds(nanoseconds)
        if outcomes.count == 1 { return self.outcomes[outcomes[0].kind.rawValue].increment() }
        for kind in WriteOutcome.Kind.allCases {
            let count = outcomes.count { $0.kind == kind }
            if count > 0 { self.outcomes[kind.rawValue].increment(by: count) }
        }
    }
}
