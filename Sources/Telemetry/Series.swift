import Locking

/// The values of a name and a set of labels.
protocol Series: AnyObject, Sendable {
    /// The current value; the parts of a histogram.
    var values: [(part: String, value: Double)] { get }
    /// Appends the lines of the Prometheus text format.
    func append(_ name: String, _ labels: String, to output: inout String)
}

private func line(_ name: String, _ labels: String, _ value: String) -> String {
    labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
}

final class CounterSeries: Series {
    let counter = StripedCounter()

    var values: [(part: String, value: Double)] { [("", Double(counter.value))] }
    func append(_ name: String, _ labels: String, to output: inout String) {
        output += line(name, labels, "\(counter.value)")
    }
}

final class GaugeSeries: Series {
    private let bits = Atomic<UInt64>(0)

    func record(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
    var values: [(part: String, value: Double)] { [("", value)] }
    func append(_ name: String, _ labels: String, to output: inout String) {
        let value = value
        output += line(name, labels, value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)")
    }
}

final class HistogramSeries: Series {
    /// In seconds, from a filter's work to a write that waits for its timeout.
    private static let bounds = [
        0.000_01, 0.000_1, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
    ]

    private static let boundsInNanoseconds = bounds.map { Int64($0 * 1e9) }

    /// The counts of the buckets; the last one has no bound.
    private let counts = InlineArray<17, StripedCounter> { _ in StripedCounter() }
    private let nanoseconds = StripedCounter()

    func record(nanoseconds duration: Int64) {
        counts[Self.boundsInNanoseconds.firstIndex { duration <= $0 } ?? Self.bounds.count].add(1)
        nanoseconds.add(Int(duration))
    }

    /// The number of values.
    var count: Int { bucketCounts.reduce(0, +) }

    /// A concurrently recorded value may be in a bucket before it is in the sum.
    private var bucketCounts: [Int] { counts.indices.map { counts[$0].value } }
    private var sum: Double { Double(nanoseconds.value) / 1e9 }

    var values: [(part: String, value: Double)] { [("sum", sum), ("count", Double(count))] }

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
