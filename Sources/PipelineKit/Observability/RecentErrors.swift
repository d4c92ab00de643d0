import Locking
import Telemetry
import Wire

/// The recent errors of a pipeline, each kind once with its count: for the status page, and for the log, which it does
/// not flood. Bounded. Thread-safe; costs nothing for a message that succeeds.
final class RecentErrors: Sendable {
    /// The maximum number of kinds. The one that was seen least recently is dropped.
    static let maximumCount = 20
    /// The maximum length of a stored reason.
    private static let maximumReasonLength = 300
    /// The time between two log entries for a stage.
    private static let logInterval = Duration.seconds(60)

    private struct State {
        var errors: [RecentError] = []
        /// When each stage was last logged.
        var lastLogged: [String: Timestamp] = [:]
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    init(logger: Logger, now: @escaping @Sendable () -> Timestamp) {
        self.logger = logger
        self.now = now
    }

    /// The errors, latest first.
    var all: [RecentError] { state.withLock { $0.errors } }

    /// Records an error. Logs it, at most once a minute for each stage, if the message will be retried; other failures
    /// are logged by the dead letters or the source.
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

    /// Logs that the circuit breaker opened or closed.
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
