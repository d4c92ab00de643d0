import Glibc

/// How long ago something was, whatever happens to the wall clock: the time since an arbitrary moment. A parameter, so
/// that a simulation can run the delivery on a clock of its own.
struct MonotonicClock: Sendable {
    /// The time passed, in nanoseconds.
    let nanoseconds: @Sendable () -> Int64

    /// The time passed.
    func now() -> Duration { .nanoseconds(nanoseconds()) }

    /// The system's clock. Asked directly, since stages of a fraction of a microsecond are timed with it.
    static let system = MonotonicClock {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
