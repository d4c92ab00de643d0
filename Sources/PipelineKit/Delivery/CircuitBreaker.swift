import Locking

/// When a sink is left alone because most writes fail.
public struct BreakerPolicy: Sendable, Equatable {
    /// The share of failures, 0 to 1, at which it opens.
    public var failureRate: Double
    /// How many writes have to have been seen before a share means anything.
    public var minimum: Int
    /// Over how long they are counted.
    public var window: Duration
    /// How long it stays open before a write is tried; doubles while that fails, up to ten times this.
    public var pause: Duration

    /// A policy.
    public init(
        failureRate: Double = 0.5, minimum: Int = 20, window: Duration = .seconds(10), pause: Duration = .seconds(1)
    ) {
        self.failureRate = failureRate
        self.minimum = minimum
        self.window = window
        self.pause = pause
    }
}

/// Keeps writes from a sink that fails anyway: closed while it works, open while it does not, half-open while a single write finds
/// out. Only first tries are counted, so that one key that fails again and again does not stop the others. May be used from any
/// thread.
final class CircuitBreaker: Sendable {
    enum State: Int, Sendable { case closed, halfOpen, open }

    /// What a lane may do now.
    enum Permission: Equatable {
        case write
        /// Write one, and tell how it went.
        case probe
        /// Nothing before this time.
        case wait(until: Duration)
    }

    private struct Counts {
        var state = State.closed
        var windowStart = Duration.zero
        var total = 0
        var failed = 0
        var reopens = Duration.zero
        var pause: Duration

        /// Counts anew where the window has passed.
        mutating func beginWindow(_ now: Duration, _ policy: BreakerPolicy) {
            guard now - windowStart > policy.window else { return }
            (windowStart, total, failed) = (now, 0, 0)
        }
    }

    private let policy: BreakerPolicy
    private let counts: Mutex<Counts>
    /// Whether it is closed, for who need not ask more; written with the lock held.
    private let isClosed = Atomic<Bool>(true)

    init(_ policy: BreakerPolicy) {
        self.policy = policy
        counts = Mutex(Counts(pause: policy.pause))
    }

    var state: State { counts.withLock { $0.state } }

    /// What may be done now. A probe that is permitted has to be recorded.
    func permission(now: Duration) -> Permission {
        if isClosed.load(ordering: .relaxed) { return .write }
        return counts.withLock { counts in
            switch counts.state {
            case .closed: return .write
            // The lane that probes will wake the others; this is for the case that it never does.
            case .halfOpen: return .wait(until: now + policy.pause)
            case .open:
                guard now >= counts.reopens else { return .wait(until: counts.reopens) }
                counts.state = .halfOpen
                return .probe
            }
        }
    }

    /// A permitted probe found nothing to write.
    func returnProbe(now: Duration) {
        counts.withLock { counts in
            guard counts.state == .halfOpen else { return }
            counts.state = .open
            counts.reopens = now
        }
    }

    /// So many first tries succeeded that were no probes: as `record` for each.
    func recordSuccesses(_ count: Int, now: Duration) {
        guard count > 0 else { return }
        counts.withLock { counts in
            guard counts.state == .closed else { return }
            counts.beginWindow(now, policy)
            counts.total += count
        }
    }

    /// A write ended.
    ///
    /// - Returns: whether the state has changed.
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
