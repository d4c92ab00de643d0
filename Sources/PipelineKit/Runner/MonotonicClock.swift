/// How long ago something was, whatever happens to the wall clock: the time since an arbitrary moment. A parameter, so
/// that a simulation can run the delivery on a clock of its own.
struct MonotonicClock: Sendable {
    /// The time passed.
    let now: @Sendable () -> Duration

    /// The system's continuous clock.
    static let system: MonotonicClock = {
        let start = ContinuousClock.now
        return MonotonicClock { ContinuousClock.now - start }
    }()
}
