import Telemetry
import Wire

/// The metrics of one filter or transform.
final class StageMetrics: Sendable {
    /// How a stage left a message.
    enum Outcome {
        case continues
        case several([Message])
        case filtered
        case refused(String)
        case failed(reason: String, retryAfter: Duration?)
    }

    /// Counts of outcomes that are not recorded yet.
    struct Tally {
        var passed = 0
        var filtered = 0
        var refused = 0
        var failed = 0

        mutating func add(_ outcome: Outcome) {
            switch outcome {
            case .continues: passed += 1
            case .several(let messages): passed += messages.count
            case .filtered: filtered += 1
            case .refused: refused += 1
            case .failed: failed += 1
            }
        }
    }

    private let passed: Counter
    private let filtered: Counter
    private let refused: Counter
    private let failed: Counter
    private let seconds: Timer

    init(pipeline: String, stage: String, factory: any MetricsFactory) {
        let dimensions = [("pipeline", pipeline), ("stage", stage)]
        let counters = Self.counters(["passed", "filtered", "refused", "failed"], dimensions, factory)
        (passed, filtered, refused, failed) = (counters[0], counters[1], counters[2], counters[3])
        seconds = Timer(label: "xmidt_hecate_stage_seconds", dimensions: dimensions, factory: factory)
    }

    /// Records the counts and clears them.
    func record(_ tally: inout Tally) {
        if tally.passed > 0 { passed.increment(by: tally.passed) }
        if tally.filtered > 0 { filtered.increment(by: tally.filtered) }
        if tally.refused > 0 { refused.increment(by: tally.refused) }
        if tally.failed > 0 { failed.increment(by: tally.failed) }
        tally = Tally()
    }

    /// Records how long the stage took for a message.
    func recordDuration(nanoseconds: Int64) { seconds.recordNanoseconds(nanoseconds) }

    static func counters(
        _ outcomes: [String], _ dimensions: [(String, String)], _ factory: any MetricsFactory
    ) -> [Counter] {
        outcomes.map {
            Counter(
                label: "xmidt_hecate_stage_messages_total", dimensions: dimensions + [("outcome", $0)], factory: factory
            )
        }
    }
}
