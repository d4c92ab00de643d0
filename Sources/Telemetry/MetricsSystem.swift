import Locking

/// The factory of the process's metrics.
public enum MetricsSystem {
    private static let current = Mutex<any MetricsFactory>(SilentMetrics())

    /// The current factory; before `bootstrap` metrics are not exposed.
    public static var factory: any MetricsFactory { current.withLock { $0 } }

    /// Sets the factory for all metrics made from now on.
    public static func bootstrap(_ factory: any MetricsFactory) { current.withLock { $0 = factory } }
}
