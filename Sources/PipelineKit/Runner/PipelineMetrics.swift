import Metrics
import Locking
import Wire

/// What a pipeline says of itself. The names and their help are in Operations/MetricCatalog.swift. Everything is made once;
/// nothing is made on the path of a message.
final class PipelineMetrics: Sendable {
    private let outcomes: [String: Counter]
    private let total: Timer
    private let sink: SinkMetrics
    private let retries: Counter
    private let inFlightGauge: Gauge
    private let queueDepth: Gauge
    private let breakerState: Gauge
    private let spoolResults: [String: Counter]
    private let tally = Mutex<[String: Int]>([:])
    private let depth: @Sendable () -> Int

    init(pipeline: String, sink: String, factory: any MetricsFactory, depth: @escaping @Sendable () -> Int) {
        let ofPipeline = [("pipeline", pipeline)]
        let ofSink = ofPipeline + [("stage", sink)]
        outcomes = Dictionary(
            uniqueKeysWithValues: Settlement.names.map {
                (
                    $0,
                    Counter(
                        label: "xmidt_hecate_messages_total", dimensions: ofPipeline + [("outcome", $0)],
                        factory: factory)
                )
            })
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

    /// The circuit breaker is in another state.
    func breaker(_ state: CircuitBreaker.State) { breakerState.record(state.rawValue) }

    /// A message ended.
    func settled(_ settlement: Settlement, taking time: Duration) {
        outcomes[settlement.name]?.increment()
        total.recordNanoseconds(time.inNanoseconds)
        tally.withLock { $0[settlement.name, default: 0] += 1 }
    }

    /// The sink answered.
    func wrote(_ outcomes: [WriteOutcome], taking time: Duration) { sink.wrote(outcomes, taking: time) }

    /// A message was to be written to the spool.
    func spooled(_ result: SpoolResult) {
        let name =
            switch result {
            case .stored: "stored"
            case .duplicate: "duplicate"
            case .full: "full"
            case .failed: "failed"
            }
        spoolResults[name]?.increment()
    }

    /// A message will be written again.
    func retried() { retries.increment() }

    /// How many writes are out; notes with it how many messages are inside.
    func inFlight(_ count: Int) {
        inFlightGauge.record(count)
        queueDepth.record(depth())
    }

    /// How many messages ended in which way, by the settlement's name.
    var counts: [String: Int] { tally.withLock { $0 } }
}

/// What one sink says of itself.
final class SinkMetrics: Sendable {
    private let outcomes: [String: Counter]
    private let seconds: Timer

    init(pipeline: String, stage: String, factory: any MetricsFactory) {
        let dimensions = [("pipeline", pipeline), ("stage", stage)]
        outcomes = StageMetrics.counters(StageMetrics.sinkOutcomes, dimensions, factory)
        seconds = Timer(label: "xmidt_hecate_stage_seconds", dimensions: dimensions, factory: factory)
    }

    /// The sink answered.
    func wrote(_ outcomes: [WriteOutcome], taking time: Duration) {
        seconds.recordNanoseconds(time.inNanoseconds)
        for outcome in outcomes { self.outcomes[StageMetrics.name(of: outcome)]?.increment() }
    }
}

/// What one filter or transform says of itself.
final class StageMetrics: Sendable {
    /// How a stage left a message.
    enum Outcome {
        case continues
        case several([Message])
        case filtered
        case refused(String)
        case failed(reason: String, retryAfter: Duration?)
    }

    static let sinkOutcomes = ["delivered", "expired", "superseded", "transient", "permanent"]

    private let passed: Counter
    private let filtered: Counter
    private let refused: Counter
    private let failed: Counter
    private let seconds: Timer

    init(pipeline: String, stage: String, factory: any MetricsFactory) {
        let dimensions = [("pipeline", pipeline), ("stage", stage)]
        let counters = Self.counters(["passed", "filtered", "refused", "failed"], dimensions, factory)
        passed = counters["passed"]!
        filtered = counters["filtered"]!
        refused = counters["refused"]!
        failed = counters["failed"]!
        seconds = Timer(label: "xmidt_hecate_stage_seconds", dimensions: dimensions, factory: factory)
    }

    func record(_ outcome: Outcome, taking time: Duration) {
        seconds.recordNanoseconds(time.inNanoseconds)
        switch outcome {
        case .continues: passed.increment()
        case .several(let messages): passed.increment(by: messages.count)
        case .filtered: filtered.increment()
        case .refused: refused.increment()
        case .failed: failed.increment()
        }
    }

    static func counters(
        _ outcomes: [String], _ dimensions: [(String, String)], _ factory: any MetricsFactory
    ) -> [String: Counter] {
        Dictionary(
            uniqueKeysWithValues: outcomes.map {
                let all = dimensions + [("outcome", $0)]
                return ($0, Counter(label: "xmidt_hecate_stage_messages_total", dimensions: all, factory: factory))
            })
    }

    static func name(of outcome: WriteOutcome) -> String {
        switch outcome {
        case .delivered: "delivered"
        case .expired: "expired"
        case .superseded: "superseded"
        case .transient: "transient"
        case .permanent: "permanent"
        }
    }
}
