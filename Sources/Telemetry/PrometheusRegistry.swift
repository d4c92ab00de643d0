import Locking

/// The process's metrics and their Prometheus text format. Thread-safe.
///
/// Source of the format: Prometheus documentation, "Exposition formats", version 0.0.4.
public final class PrometheusRegistry: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    private struct Registered {
        let series: any Series
        let dimensions: [(String, String)]
    }

    /// A value of a series.
    public struct Sample: Sendable {
        /// The name of the metric.
        public var name: String
        /// `sum` or `count` for a histogram, else empty.
        public var part: String
        /// The dimensions.
        public var labels: [String: String]
        public var value: Double
    }

    private let series = Mutex<[Key: Registered]>([:])

    /// Makes a registry with the metrics that dashboards expect even before they are used.
    public init() {
        // Without a sink this process publishes nothing to SNS; dashboards add this to the publishers' metrics.
        _ = makeCounter(label: "xmidt_hecate_webhook_sns_notification_sent_count", dimensions: [])
    }

    /// Makes or finds a counter.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> Counter {
        Counter(find(label, dimensions) { CounterSeries() })
    }

    /// Makes or finds a gauge.
    public func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge {
        Gauge(find(label, dimensions) { GaugeSeries() })
    }

    /// Makes or finds a histogram in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> Timer {
        Timer(find(label, dimensions) { HistogramSeries() })
    }

    /// Returns all series as text, sorted by name and labels.
    public func text() -> String {
        let all = series.withLock { $0 }.sorted { ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels) }
        var output = ""
        var previous = ""
        for (key, registered) in all {
            if key.name != previous {
                let entry = MetricCatalog.entries[key.name] ?? .init(type: "untyped", help: key.name)
                output += "# HELP \(key.name) \(entry.help)\n# TYPE \(key.name) \(entry.type)\n"
                previous = key.name
            }
            registered.series.append(key.name, key.labels, to: &output)
        }
        return output
    }

    /// The current values of all series; the sum and count of histograms.
    public var samples: [Sample] {
        series.withLock { $0 }.flatMap { key, registered in
            let labels = Dictionary(registered.dimensions) { $1 }
            return registered.series.values.map { Sample(name: key.name, part: $0, labels: labels, value: $1) }
        }
    }

    private func find<Found: Series>(
        _ name: String, _ dimensions: [(String, String)], _ make: () -> Found
    ) -> Found {
        let labels = dimensions.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        return series.withLock { series in
            let key = Key(name: name, labels: labels)
            if let found = series[key]?.series as? Found { return found }
            let created = make()
            series[key] = Registered(series: created, dimensions: dimensions)
            return created
        }
    }

    private static func escaped(_ text: String) -> String {
        // By scalars: CR LF is one Character.
        var output = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": output.append(contentsOf: "\\\\".unicodeScalars)
            case "\"": output.append(contentsOf: "\\\"".unicodeScalars)
            case "\n": output.append(contentsOf: "\\n".unicodeScalars)
            default: output.append(scalar)
            }
        }
        return String(output)
    }
}
