import Locking
import Telemetry
public import Wire

/// What went wrong of late, each kind once with how often: for people who look on, and for the log, which is not filled by it. Bounded. May
/// be used from any thread; nothing is noted on the way of a message that goes well.
final class RecentErrors: Sendable {
    /// The most kinds that are kept; the one that was last seen longest ago gives way.
    static let maximumCount = 20
    /// The longest reason that is kept.
    private static let maximumReasonLength = 300
    /// How long the log is silent about a stage after it was told what it does.
    private static let logInterval = Duration.seconds(60)

    private struct State {
        var errors: [RecentError] = []
        /// When the log was told of a stage.
        var lastLogged: [String: Timestamp] = [:]
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    init(logger: Logger, now: @escaping @Sendable () -> Timestamp) {
        self.logger = logger
        self.now = now
    }

    /// The latest first.
    var all: [RecentError] { state.withLock { $0.errors } }

    /// Notes what went wrong. What will be tried again is told to the log as well, once a minute for each stage: of what will not, the
    /// dead letters or the source tell.
    func record(_ outcome: String, at stage: String, _ reason: String) {
        let reason = String(reason.prefix(Self.maximumReasonLength))
        let time = now()
        let shouldLog = state.withLock { state in
            let index = state.errors.firstIndex {
                $0.stage == stage && $0.outcome == outcome && $0.reason == reason
            }
            var error =
                index.map { state.errors.remove(at: $0) }
                ?? RecentError(stage: stage, outcome: outcome, reason: reason, count: 0, first: time, last: time)
            error.count += 1
            error.last = time
            state.errors.insert(error, at: 0)
            if state.errors.count > Self.maximumCount { state.errors.removeLast() }
            guard outcome != "refused", outcome != "permanent" else { return false }
            if let lastLogged = state.lastLogged[stage], time - lastLogged < Self.logInterval { return false }
            state.lastLogged[stage] = time
            return true
        }
        guard shouldLog else { return }
        logger.warning(
            "messages have to wait and are tried again", metadata: ["stage": "\(stage)", "reason": "\(reason)"])
    }

    /// Tells the log that a sink is left alone, or works again.
    func breakerDidChange(to state: CircuitBreaker.State, at sink: String) {
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
public struct RecentError: Sendable, Equatable {
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
