import Locking
public import Wire

/// Shows messages as they pass the stages, without slowing them down: a bounded number of events, recorded only while
/// somebody reads them, with a limit per second. Thread-safe.
public final class Tap: Sendable {
    /// A message that passed a stage.
    public struct Event: Sendable {
        /// The sequence number. Numbers between two events are missing if the rate limit dropped some.
        public var number: Int
        public var time: Timestamp
        public var pipeline: String
        public var stage: String
        /// The outcome: `passed`, `filtered`, `refused`, `failed`, or the outcome of the write.
        public var outcome: String
        /// The reason, if there is one.
        public var reason: String?
        /// The message as it left the stage. May hold secrets.
        public var message: Message
    }

    private struct State {
        var ring: [Event] = []
        var nextNumber = 1
        var second: Int64 = 0
        var countInSecond = 0
        var lastReadAt = ContinuousClock.now
    }

    /// The maximum number of events that wait to be read.
    public static let capacity = 256
    /// The maximum number of events recorded per second.
    public static let perSecond = 100
    /// How long after the last read events are still recorded.
    private let idleTimeout: Duration

    private let isObserved = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// Makes a tap that nobody reads yet.
    public convenience init() { self.init(idleTimeout: .seconds(5)) }

    init(idleTimeout: Duration) { self.idleTimeout = idleTimeout }

    /// Whether events are recorded.
    var isActive: Bool { isObserved.load(ordering: .relaxed) }

    /// Returns the events after a sequence number, oldest first. Events are recorded for some seconds from now on.
    ///
    /// - Returns: the events, and the number to pass next time. Events that were dropped lie between that number and
    ///   those of the events.
    public func events(after number: Int) -> (events: [Event], last: Int) {
        isObserved.store(true, ordering: .relaxed)
        return state.withLock { state in
            state.lastReadAt = .now
            return (state.ring.filter { $0.number > number }, state.nextNumber - 1)
        }
    }

    fileprivate func record(
        _ outcome: String, _ reason: String?, of message: Message, at stage: String, in pipeline: String
    ) {
        let now = Timestamp.now()
        state.withLock { state in
            if .now - state.lastReadAt > idleTimeout {
                isObserved.store(false, ordering: .relaxed)
                state.ring = []
                return
            }
            if state.second != now.seconds { (state.second, state.countInSecond) = (now.seconds, 0) }
            defer { state.nextNumber += 1 }
            guard state.countInSecond < Self.perSecond else { return }
            state.countInSecond += 1
            if state.ring.count >= Self.capacity { state.ring.removeFirst() }
            state.ring.append(
                Event(
                    number: state.nextNumber, time: now, pipeline: pipeline, stage: stage, outcome: outcome,
                    reason: reason, message: message))
        }
    }
}

/// One lane's view of the tap.
final class PipelineTap: Sendable {
    private let tap: Tap
    private let pipeline: String

    init(_ tap: Tap, pipeline: String) {
        self.tap = tap
        self.pipeline = pipeline
    }

    /// Whether events are recorded.
    var isActive: Bool { tap.isActive }

    func record(_ outcome: StageMetrics.Outcome, of message: Message, at stage: String) {
        switch outcome {
        case .continues: record("passed", of: message, at: stage)
        case .several(let messages): for message in messages { record("passed", of: message, at: stage) }
        case .filtered: record("filtered", of: message, at: stage)
        case .refused(let reason): record("refused", reason, of: message, at: stage)
        case .failed(let reason, _): record("failed", reason, of: message, at: stage)
        }
    }

    func record(_ outcome: WriteOutcome, of message: Message, at sink: String) {
        let reason: String? =
            switch outcome {
            case .transient(let reason, _), .permanent(let reason): reason
            case .delivered, .expired, .superseded: nil
            }
        record(outcome.name, reason, of: message, at: sink)
    }

    func record(_ outcome: String, _ reason: String? = nil, of message: Message, at stage: String) {
        tap.record(outcome, reason, of: message, at: stage, in: pipeline)
    }
}
