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
