import Locking

/// The process's metrics, and their text for Prometheus. May be used from any thread.
///
/// Source of the text: Prometheus documentation, "Exposition formats", version 0.0.4.
public final class PrometheusRegistry: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    private struct Registered {
        let series: any Series
        let dimensions: [(String, String)]
    }

    /// One value of one series.
    public struct Sample: Sendable {
        /// The metric's name.
        public var name: String
        /// Of a histogram `sum` or `count`, else empty.
        public var part: String
        /// Its dimensions.
        public var labels: [String: String]
        /// The value.
        public var value: Double
    }

    private let series = Mutex<[Key: Registered]>([:])

    /// A registry that begins with what counts nothing yet but dashboards ask for.
    public init() {
        // This process publishes nothing to SNS unless a sink does; dashboards sum this with the publishers' own.
        _ = makeCounter(label: "xmidt_hecate_webhook_sns_notification_sent_count", dimensions: [])
    }

    /// A counter; the same one for the same name and dimensions.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> Counter {
        Counter(find(label, dimensions) { CounterSeries() })
    }

    /// A gauge; the same one for the same name and dimensions.
    public func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge {
        Gauge(find(label, dimensions) { GaugeSeries() })
    }

    /// A histogram in seconds; the same one for the same name and dimensions.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> Timer {
        Timer(find(label, dimensions) { HistogramSeries() })
    }

    /// All series as text, names and labels in order.
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

    /// What all series tell now; of histograms the sum and the count.
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
        // By scalars: a carriage return and a newline are one character.
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
