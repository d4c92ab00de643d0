import Locking

/// Where the process's metrics are made.
public enum MetricsSystem {
    private static let current = Mutex<any MetricsFactory>(SilentMetrics())

    /// What makes the metrics: nothing that anybody reads until `bootstrap`.
    public static var factory: any MetricsFactory { current.withLock { $0 } }

    /// Makes each metric that is made from here on with a factory.
    public static func bootstrap(_ factory: any MetricsFactory) { current.withLock { $0 = factory } }
}
