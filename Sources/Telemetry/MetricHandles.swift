import Locking

/// Counts what happens. Made once, kept, and used from any thread: to count is to add to a number in the place of the thread's
/// processor, nothing more. Whoever asks for the same name and dimensions has the same counter.
public struct Counter: Sendable {
    let series: CounterSeries

    /// A counter that nobody reads but who holds it.
    public init() { series = CounterSeries() }

    init(_ series: CounterSeries) { self.series = series }

    /// The counter of a name and dimensions.
    public init(
        label: String, dimensions: [(String, String)] = [], factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self = factory.makeCounter(label: label, dimensions: dimensions)
    }

    /// Counts so many more; one by default.
    public func increment(by amount: Int = 1) { series.counter.add(amount) }

    /// Counts so many more.
    public func increment(by amount: some BinaryInteger) { increment(by: Int(clamping: amount)) }

    /// Begins anew at zero.
    public func reset() { series.counter.add(-value) }

    /// What was counted.
    public var value: Int { series.counter.value }
}

/// A value that goes up and down. Made once, kept, and used from any thread.
public struct Gauge: Sendable {
    let series: GaugeSeries

    /// A gauge that nobody reads but who holds it.
    public init() { series = GaugeSeries() }

    init(_ series: GaugeSeries) { self.series = series }

    /// The gauge of a name and dimensions.
    public init(
        label: String, dimensions: [(String, String)] = [], factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self = factory.makeGauge(label: label, dimensions: dimensions)
    }

    /// What it is now.
    public func record(_ value: Double) { series.record(value) }

    /// What it is now.
    public func record(_ value: Int) { series.record(Double(value)) }

    /// What it is now.
    public func record(_ value: some BinaryInteger) { series.record(Double(value)) }

    /// What it is now.
    public func record(_ value: some BinaryFloatingPoint) { series.record(Double(value)) }

    /// What it was last.
    public var value: Double { series.value }
}

/// Times how long something takes; told as a histogram in seconds. Made once, kept, and used from any thread.
public struct Timer: Sendable {
    let series: HistogramSeries

    /// A timer that nobody reads but who holds it.
    public init() { series = HistogramSeries() }

    init(_ series: HistogramSeries) { self.series = series }

    /// The timer of a name and dimensions.
    public init(
        label: String, dimensions: [(String, String)] = [], factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self = factory.makeTimer(label: label, dimensions: dimensions)
    }

    /// It took so long once.
    public func recordNanoseconds(_ duration: Int64) { series.record(nanoseconds: duration) }

    /// It took so long once; what is more than 292 years counts as that.
    public func record(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, tooMany) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        series.record(nanoseconds: overflow || tooMany ? (seconds < 0 ? .min : .max) : sum)
    }

    /// It took so long once.
    public func recordMilliseconds(_ duration: some BinaryInteger) { record(.milliseconds(duration)) }

    /// It took so long once.
    public func recordSeconds(_ duration: some BinaryInteger) { record(.seconds(duration)) }

    /// How often something was timed.
    public var count: Int { series.count }
}

/// Makes metrics. Whoever asks twice for the same name and dimensions gets the same metric.
public protocol MetricsFactory: Sendable {
    /// A counter.
    func makeCounter(label: String, dimensions: [(String, String)]) -> Counter
    /// A gauge.
    func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge
    /// A timer.
    func makeTimer(label: String, dimensions: [(String, String)]) -> Timer
}

/// Makes metrics that nobody reads.
public struct SilentMetrics: MetricsFactory {
    private static let counter = Counter()
    private static let gauge = Gauge()
    private static let timer = Timer()

    /// A factory of metrics that nobody reads.
    public init() {}

    /// A counter that nobody reads.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> Counter { Self.counter }
    /// A gauge that nobody reads.
    public func makeGauge(label: String, dimensions: [(String, String)]) -> Gauge { Self.gauge }
    /// A timer that nobody reads.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> Timer { Self.timer }
}
