import Locking
import Telemetry

/// Notes which metrics are made, and whether they are named as Prometheus wants it.
final class MetricNames: MetricsFactory, Sendable {
    private struct Made: Hashable {
        let label: String
        let kind: String
        let dimensions: [String]
    }

    private let made = Mutex<Set<Made>>([])

    /// What is wrong with the names.
    var problems: [String] {
        made.withLock { $0 }.sorted { $0.label < $1.label }.flatMap { made in
            var found: [String] = []
            if made.label.wholeMatch(of: #/[a-z][a-z0-9]*(_[a-z0-9]+)*/#) == nil {
                found.append("the metric '\(made.label)' is not written in snake_case")
            }
            // Those that end in _count or _value are graphed by dashboards that were there before.
            let isGrandfathered = made.label.hasSuffix("_count") || made.label.hasSuffix("_value")
            if made.kind == "counter", !made.label.hasSuffix("_total"), !isGrandfathered {
                found.append("the counter '\(made.label)' does not end in _total")
            }
            if made.kind == "timer", !made.label.hasSuffix("_seconds") {
                found.append("the timer '\(made.label)' does not end in _seconds")
            }
            if !made.dimensions.contains("pipeline") {
                found.append("the metric '\(made.label)' has no dimension 'pipeline'")
            }
            return found
        }
    }

    private func note(_ label: String, _ kind: String, _ dimensions: [(String, String)]) {
        made.withLock { _ = $0.insert(Made(label: label, kind: kind, dimensions: dimensions.map(\.0))) }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> Counter {
        note(label, "counter", dimensions)
        return Counter()
    }

    func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge {
        note(label, "gauge", dimensions)
        return Gauge()
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> Timer {
        note(label, "timer", dimensions)
        return Timer()
    }
}
