import Locking
import Telemetry

/// Records the metrics that are made, and checks their names against Prometheus's conventions.
final class MetricNames: MetricsFactory, Sendable {
    private struct MetricID: Hashable {
        let label: String
        let kind: String
        let dimensions: [String]
    }

    private let created = Mutex<Set<MetricID>>([])

    /// The violations.
    var problems: [String] {
        created.withLock { $0 }.sorted { $0.label < $1.label }.flatMap { created in
            var problems: [String] = []
            if created.label.wholeMatch(of: #/[a-z][a-z0-9]*(_[a-z0-9]+)*/#) == nil {
                problems.append("the metric '\(created.label)' is not written in snake_case")
            }
            // Existing dashboards use the names that end in _count or _value.
            let isGrandfathered = created.label.hasSuffix("_count") || created.label.hasSuffix("_value")
            if created.kind == "counter", !created.label.hasSuffix("_total"), !isGrandfathered {
                problems.append("the counter '\(created.label)' does not end in _total")
            }
            if created.kind == "timer", !created.label.hasSuffix("_seconds") {
                problems.append("the timer '\(created.label)' does not end in _seconds")
            }
            if !created.dimensions.contains("pipeline") {
                problems.append("the metric '\(created.label)' has no dimension 'pipeline'")
            }
            return problems
        }
    }

    private func record(_ label: String, _ kind: String, _ dimensions: [(String, String)]) {
        created.withLock { _ = $0.insert(MetricID(label: label, kind: kind, dimensions: dimensions.map(\.0))) }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> Counter {
        record(label, "counter", dimensions)
        return Counter()
    }

    func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge {
        record(label, "gauge", dimensions)
        return Gauge()
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> Timer {
        record(label, "timer", dimensions)
        return Timer()
    }
}
