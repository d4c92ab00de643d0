import Locking

/// Stops writes to a sink that keeps failing: closed while the sink works, open while it fails, half-open while one
/// write probes it. Counts only first attempts, so that one key that fails again and again does not stop the others.
/// Thread-safe.
final class CircuitBreaker: Sendable {
    enum State: Int, Sendable { case closed, halfOpen, open }

    enum Permission: Equatable {
        case write
        /// Write one message as a probe and record its outcome.
        case probe
        /// Do not write before this time.
        case wait(until: Duration)
    }

    private struct Counts {
        var state = State.closed
        var windowStart = Duration.zero
        var total = 0
        var failed = 0
        var reopens = Duration.zero
        var pause: Duration

        /// Starts a new counting period when the last one has passed.
        mutating func beginWindow(_ now: Duration, _ policy: BreakerPolicy) {
            guard now - windowStart > policy.window else { return }
            (windowStart, total, failed) = (now, 0, 0)
        }
    }

    private let policy: BreakerPolicy
    private let counts: Mutex<Counts>
    /// Whether the breaker is closed. Read without the lock, written with the lock held.
    private let isClosed = Atomic<Bool>(true)

    init(_ policy: BreakerPolicy) {
        self.policy = policy
        counts = Mutex(Counts(pause: policy.pause))
    }

    var state: State { counts.withLock { $0.state } }

    /// Returns whether a lane may write now. The outcome of a permitted probe must be recorded.
    func permission(now: Duration) -> Permission {
        if isClosed.load(ordering: .relaxed) { return .write }
        return counts.withLock { counts in
            switch counts.state {
            case .closed: return .write
            // The lane that probes wakes the others. This time is the fallback if it never does.
            case .halfOpen: return .wait(until: now + policy.pause)
            case .open:
                guard now >= counts.reopens else { return .wait(until: counts.reopens) }
                counts.state = .halfOpen
                return .probe
            }
        }
    }

    /// Returns the permission for a probe that found nothing to write.
    func returnProbe(now: Duration) {
        counts.withLock { counts in
            guard counts.state == .halfOpen else { return }
            counts.state = .open
            counts.reopens = now
        }
    }

    /// Records `count` first attempts that succeeded and were no probes.
    func recordSuccesses(_ count: Int, now: Duration) {
        guard count > 0 else { return }
        counts.withLock { counts in
            guard counts.state == .closed else { return }
            counts.beginWindow(now, policy)
            counts.total += count
        }
    }

    /// Records the outcome of a write.
    ///
    /// - Returns: whether the state changed.
    @discardableResult
    func record(succeeded: Bool, isFirstTry: Bool, isProbe: Bool, now: Duration) -> Bool {
        counts.withLock { counts in
            defer { isClosed.store(counts.state == .closed, ordering: .relaxed) }
            if isProbe {
                counts.total = 0
                counts.failed = 0
                counts.windowStart = now
                if succeeded {
                    counts.state = .closed
                    counts.pause = policy.pause
                } else {
                    counts.pause = min(counts.pause * 2, policy.pause * 10)
                    counts.state = .open
                    counts.reopens = now + counts.pause
                }
                return true
            }
            guard counts.state == .closed, isFirstTry else { return false }
            counts.beginWindow(now, policy)
            counts.total += 1
            if !succeeded { counts.failed += 1 }
            guard counts.total >= policy.minimum, Double(counts.failed) >= policy.failureRate * Double(counts.total)
            else { return false }
            counts.state = .open
            counts.reopens = now + counts.pause
            return true
        }
    }
}
