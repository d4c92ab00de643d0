import Glibc

/// A monotonic clock. A parameter, so that a simulation can use a clock of its own.
struct MonotonicClock: Sendable {
    /// The nanoseconds since an arbitrary moment.
    let nanoseconds: @Sendable () -> Int64

    /// Returns the time since an arbitrary moment.
    func now() -> Duration { .nanoseconds(nanoseconds()) }

    /// The system's clock. Calls `clock_gettime` directly, because it times stages of a fraction of a microsecond.
    static let system = MonotonicClock {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
