import Locking

/// A counter. Made once and used from any thread: counting costs an addition in the current processor's slot. The same
/// name and dimensions give the same counter.
public struct Counter: Sendable {
    let series: CounterSeries

    /// Makes a counter without a registry.
    public init() { series = CounterSeries() }

    init(_ series: CounterSeries) { self.series = series }

    /// Makes or finds the counter with a name and dimensions.
    public init(
        label: String, dimensions: [(String, String)] = [], factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self = factory.makeCounter(label: label, dimensions: dimensions)
    }

    /// Adds to the counter, by default one.
    public func increment(by amount: Int = 1) { series.counter.add(amount) }

    /// Adds to the counter.
    public func increment(by amount: some BinaryInteger) { increment(by: Int(clamping: amount)) }

    /// Resets the counter to zero.
    public func reset() { series.counter.add(-value) }

    /// The current count.
    public var value: Int { series.counter.value }
}

/// A gauge. Made once and used from any thread.
public struct Gauge: Sendable {
    let series: GaugeSeries

    /// Makes a gauge without a registry.
    public init() { series = GaugeSeries() }

    init(_ series: GaugeSeries) { self.series = series }

    /// Makes or finds the gauge with a name and dimensions.
    public init(
        label: String, dimensions: [(String, String)] = [], factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self = factory.makeGauge(label: label, dimensions: dimensions)
    }

    /// Sets the value.
    public func record(_ value: Double) { series.record(value) }

    /// Sets the value.
    public func record(_ value: Int) { series.record(Double(value)) }

    /// Sets the value.
    public func record(_ value: some BinaryInteger) { series.record(Double(value)) }

    /// Sets the value.
    public func record(_ value: some BinaryFloatingPoint) { series.record(Double(value)) }

    /// The current value.
    public var value: Double { series.value }
}

/// A histogram of durations in seconds. Made once and used from any thread.
public struct Timer: Sendable {
    let series: HistogramSeries

    /// Makes a timer without a registry.
    public init() { series = HistogramSeries() }

    init(_ series: HistogramSeries) { self.series = series }

    /// Makes or finds the timer with a name and dimensions.
    public init(
        label: String, dimensions: [(String, String)] = [], factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self = factory.makeTimer(label: label, dimensions: dimensions)
    }

    /// Records a duration.
    public func recordNanoseconds(_ duration: Int64) { series.record(nanoseconds: duration) }

    /// Records a duration, clamped to 292 years.
    public func record(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, tooMany) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        series.record(nanoseconds: overflow || tooMany ? (seconds < 0 ? .min : .max) : sum)
    }

    /// Records a duration.
    public func recordMilliseconds(_ duration: some BinaryInteger) { record(.milliseconds(duration)) }

    /// Records a duration.
    public func recordSeconds(_ duration: some BinaryInteger) { record(.seconds(duration)) }

    /// The number of recorded durations.
    public var count: Int { series.count }
}

/// Makes metrics. The same name and dimensions give the same metric.
public protocol MetricsFactory: Sendable {
    func makeCounter(label: String, dimensions: [(String, String)]) -> Counter
    func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge
    func makeTimer(label: String, dimensions: [(String, String)]) -> Timer
}

/// Makes metrics without a registry.
public struct SilentMetrics: MetricsFactory {
    private static let counter = Counter()
    private static let gauge = Gauge()
    private static let timer = Timer()

    public init() {}

    public func makeCounter(label: String, dimensions: [(String, String)]) -> Counter { Self.counter }
    public func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge { Self.gauge }
    public func makeTimer(label: String, dimensions: [(String, String)]) -> Timer { Self.timer }
}
