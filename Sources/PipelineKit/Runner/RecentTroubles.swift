import Locking
import Telemetry
public import Wire

/// What went wrong of late, each kind once with how often: for people who look on, and for the log, which is not filled by it. Bounded. May
/// be used from any thread; nothing is noted on the way of a message that goes well.
final class RecentTroubles: Sendable {
    /// The most kinds that are kept; the one that was last seen longest ago gives way.
    static let most = 20
    /// The longest reason that is kept.
    private static let longest = 300
    /// How long the log is silent about a stage after it was told what it does.
    private static let silence = Duration.seconds(60)

    private struct State {
        var troubles: [Trouble] = []
        /// When the log was told of a stage.
        var told: [String: Timestamp] = [:]
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    init(logger: Logger, now: @escaping @Sendable () -> Timestamp) {
        self.logger = logger
        self.now = now
    }

    /// The latest first.
    var all: [Trouble] { state.withLock { $0.troubles } }

    /// Notes what went wrong. What will be tried again is told to the log as well, once a minute for each stage: of what will not, the
    /// dead letters or the source tell.
    func note(_ outcome: String, at stage: String, _ reason: String) {
        let reason = String(reason.prefix(Self.longest))
        let time = now()
        let isTold = state.withLock { state in
            let known = state.troubles.firstIndex {
                $0.stage == stage && $0.outcome == outcome && $0.reason == reason
            }
            var trouble =
                known.map { state.troubles.remove(at: $0) }
                ?? Trouble(stage: stage, outcome: outcome, reason: reason, count: 0, first: time, last: time)
            trouble.count += 1
            trouble.last = time
            state.troubles.insert(trouble, at: 0)
            if state.troubles.count > Self.most { state.troubles.removeLast() }
            guard outcome != "refused", outcome != "permanent" else { return false }
            if let told = state.told[stage], time - told < Self.silence { return false }
            state.told[stage] = time
            return true
        }
        guard isTold else { return }
        logger.warning(
            "messages have to wait and are tried again", metadata: ["stage": "\(stage)", "reason": "\(reason)"])
    }

    /// Tells the log that a sink is left alone, or works again.
    func breakerChanged(to state: CircuitBreaker.State, at sink: String) {
        switch state {
        case .open:
            logger.warning(
                "most writes fail: the circuit breaker is open, and one write tries now and then",
                metadata: ["sink": "\(sink)"])
        case .closed:
            logger.notice("the sink works again: the circuit breaker is closed", metadata: ["sink": "\(sink)"])
        case .halfOpen: break
        }
    }
}

/// Something that went wrong, and how often.
public struct Trouble: Sendable, Equatable {
    /// The stage.
    public var stage: String
    /// How it went: `transient`, `permanent`, `refused`, `failed`, `full`.
    public var outcome: String
    /// Why.
    public var reason: String
    /// How often.
    public var count: Int
    /// When it was first seen.
    public var first: Timestamp
    /// When it was last seen.
    public var last: Timestamp
}
