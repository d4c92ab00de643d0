import Locking
import Telemetry
import Wire

/// The metrics of a pipeline. Their names and help texts are in Telemetry/MetricCatalog.swift. All handles are made at
/// the start, none while messages are processed.
final class PipelineMetrics: Sendable {
    /// The counters by kind of settlement; nil for a settlement that does not end a message.
    private let settlementCounters: [SettlementCounter?]
    private let total: Timer
    private let sink: SinkMetrics
    private let retries: Counter
    private let inFlightGauge: Gauge
    private let queueDepth: Gauge
    private let breakerState: Gauge
    private let spoolResults: [String: Counter]
    private let depth: @Sendable () -> Int

    init(pipeline: String, sink: String, factory: any MetricsFactory, depth: @escaping @Sendable () -> Int) {
        let ofPipeline = [("pipeline", pipeline)]
        let ofSink = ofPipeline + [("stage", sink)]
        settlementCounters = Settlement.Kind.allCases.map { kind in
            guard kind != .spooled else { return nil }
            return SettlementCounter(
                Counter(
                    label: "xmidt_hecate_messages_total", dimensions: ofPipeline + [("outcome", kind.name)],
                    factory: factory))
        }
        total = Timer(label: "xmidt_hecate_message_seconds", dimensions: ofPipeline, factory: factory)
        self.sink = SinkMetrics(pipeline: pipeline, stage: sink, factory: factory)
        retries = Counter(label: "xmidt_hecate_retries_total", dimensions: ofSink, factory: factory)
        inFlightGauge = Gauge(label: "xmidt_hecate_in_flight", dimensions: ofSink, factory: factory)
        queueDepth = Gauge(label: "xmidt_hecate_queue_depth", dimensions: ofPipeline, factory: factory)
        breakerState = Gauge(label: "xmidt_hecate_breaker_state", dimensions: ofSink, factory: factory)
        breakerState.record(0)
        spoolResults = Dictionary(
            uniqueKeysWithValues: ["stored", "duplicate", "full", "failed"].map {
                let dimensions = ofPipeline + [("outcome", $0)]
                return ($0, Counter(label: "xmidt_hecate_spooled_total", dimensions: dimensions, factory: factory))
            })
        self.depth = depth
    }

    /// Records the state of the circuit breaker.
    func recordBreakerState(_ state: CircuitBreaker.State) { breakerState.record(state.rawValue) }

    /// Records how a message ended.
    func recordSettlement(_ settlement: Settlement, duration nanoseconds: Int64) {
        settlementCounters[settlement.kind.rawValue]?.add()
        total.recordNanoseconds(nanoseconds)
    }

    /// Records the outcomes of a write.
    func recordWrites(_ outcomes: [WriteOutcome], duration nanoseconds: Int64) {
        sink.recordWrites(outcomes, duration: nanoseconds)
    }

    /// Records the result of an append to the spool.
    func recordSpoolResult(_ result: SpoolResult) {
        let name =
            switch result {
            case .stored: "stored"
            case .duplicate: "duplicate"
            case .full: "full"
            case .failed: "failed"
            }
        spoolResults[name]?.increment()
    }

    /// Records that a message will be retried.
    func recordRetry() { retries.increment() }

    /// Records how many writes are in flight, and with it how many messages are in the pipeline.
    func recordInFlight(_ count: Int) {
        inFlightGauge.record(count)
        queueDepth.record(depth())
    }

    /// The number of messages by the name of their settlement.
    var counts: [String: Int] {
        var counts: [String: Int] = [:]
        for (kind, settlementCounter) in zip(Settlement.Kind.allCases, settlementCounters) {
            if let count = settlementCounter?.count, count > 0 { counts[kind.name] = count }
        }
        return counts
    }
}

/// Counts the messages with one settlement.
private final class SettlementCounter: Sendable {
    private let counter: Counter
    private let total = StripedCounter()

    init(_ counter: Counter) { self.counter = counter }

    var count: Int { total.value }

    func add() {
        counter.increment()
        total.add(1)
    }
}

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
        fileprivate var passed = 0
        fileprivate var filtered = 0
        fileprivate var refused = 0
        fileprivate var failed = 0

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
