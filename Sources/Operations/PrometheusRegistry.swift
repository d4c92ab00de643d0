public import Metrics
import Locking
import Wire

/// The process's metrics, and their text for Prometheus. May be used from any thread.
///
/// Source of the text: Prometheus documentation, "Exposition formats", version 0.0.4.
public final class PrometheusRegistry: MetricsFactory {
    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    private struct Kept {
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

    private let series = Mutex<[Key: Kept]>([:])

    /// A registry that begins with what counts nothing yet but dashboards ask for.
    public init() {
        // This process publishes nothing to SNS unless a sink does; dashboards sum this with the publishers' own.
        _ = makeCounter(label: "xmidt_hecate_webhook_sns_notification_sent_count", dimensions: [])
    }

    /// A counter; the same one for the same name and dimensions.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        find(label, dimensions) { CounterSeries() }
    }

    /// A gauge, or a histogram where values are aggregated.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate ? find(label, dimensions) { HistogramSeries() } : find(label, dimensions) { GaugeSeries() }
    }

    /// A histogram in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        find(label, dimensions) { HistogramSeries() }
    }

    /// Nothing: series live as long as the process.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Nothing: series live as long as the process.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Nothing: series live as long as the process.
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// All series as text, names and labels in order.
    public func text() -> String {
        let all = series.withLock { $0 }.sorted { ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels) }
        var output = ""
        var previous = ""
        for (key, kept) in all {
            if key.name != previous {
                let entry = MetricCatalog.entries[key.name] ?? .init(type: "untyped", help: key.name)
                output += "# HELP \(key.name) \(entry.help)\n# TYPE \(key.name) \(entry.type)\n"
                previous = key.name
            }
            kept.series.append(key.name, key.labels, to: &output)
        }
        return output
    }

    /// What all series tell now; of histograms the sum and the count.
    public var samples: [Sample] {
        series.withLock { $0 }.flatMap { key, kept in
            let labels = Dictionary(kept.dimensions) { $1 }
            return kept.series.values.map { Sample(name: key.name, part: $0, labels: labels, value: $1) }
        }
    }

    private func find<Found: Series>(
        _ name: String, _ dimensions: [(String, String)], _ make: () -> Found
    ) -> Found {
        let labels = dimensions.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        return series.withLock { series in
            let key = Key(name: name, labels: labels)
            if let found = series[key]?.series as? Found { return found }
            let made = make()
            series[key] = Kept(series: made, dimensions: dimensions)
            return made
        }
    }

    private static func escaped(_ text: String) -> String {
        var output = ""
        for character in text {
            switch character {
            case "\\": output += "\\\\"
            case "\"": output += "\\\""
            case "\n": output += "\\n"
            default: output.append(character)
            }
        }
        return output
    }
}

/// The values of one name and one set of labels.
private protocol Series: Sendable {
    /// What it tells, a histogram in parts.
    var values: [(part: String, value: Double)] { get }
    func append(_ name: String, _ labels: String, to output: inout String)
}

private func line(_ name: String, _ labels: String, _ value: String) -> String {
    labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
}

private final class CounterSeries: CounterHandler, Series {
    private let counter = StripedCounter()

    func increment(by amount: Int64) { counter.add(Int(amount)) }
    func reset() { counter.add(-counter.value) }
    var values: [(part: String, value: Double)] { [("", Double(counter.value))] }
    func append(_ name: String, _ labels: String, to output: inout String) {
        output += line(name, labels, "\(counter.value)")
    }
}

private final class GaugeSeries: RecorderHandler, Series {
    private let bits = Atomic<UInt64>(0)

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    var values: [(part: String, value: Double)] { [("", Double(bitPattern: bits.load(ordering: .relaxed)))] }
    func append(_ name: String, _ labels: String, to output: inout String) {
        let value = Double(bitPattern: bits.load(ordering: .relaxed))
        output += line(name, labels, value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)")
    }
}

private final class HistogramSeries: RecorderHandler, TimerHandler, Series {
    /// In seconds: from a filter's work to a write that waited for its time-out.
    private static let bounds = [
        0.000_01, 0.000_1, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
    ]

    private static let boundsInNanoseconds = bounds.map { Int64($0 * 1e9) }

    /// How many fell into each bucket, the last without a bound: one more than there are bounds.
    private let counts = InlineArray<17, StripedCounter> { _ in StripedCounter() }
    private let nanoseconds = StripedCounter()

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        if let nanoseconds = Int64(exactly: (value * 1e9).rounded()) { recordNanoseconds(nanoseconds) }
    }
    func recordNanoseconds(_ duration: Int64) {
        counts[Self.boundsInNanoseconds.firstIndex { duration <= $0 } ?? Self.bounds.count].add(1)
        nanoseconds.add(Int(duration))
    }

    /// A reader may see a value that is being recorded in a bucket and not yet in the sum.
    private var bucketCounts: [Int] { counts.indices.map { counts[$0].value } }
    private var sum: Double { Double(nanoseconds.value) / 1e9 }

    var values: [(part: String, value: Double)] {
        [("sum", sum), ("count", Double(bucketCounts.reduce(0, +)))]
    }

    func append(_ name: String, _ labels: String, to output: inout String) {
        let sum = sum
        var total = 0
        for (index, count) in bucketCounts.enumerated() {
            total += count
            let bound = index < Self.bounds.count ? "\(Self.bounds[index])" : "+Inf"
            output += line(
                "\(name)_bucket", labels.isEmpty ? "le=\"\(bound)\"" : "\(labels),le=\"\(bound)\"", "\(total)")
        }
        output += line("\(name)_sum", labels, "\(sum)")
        output += line("\(name)_count", labels, "\(total)")
    }
}
