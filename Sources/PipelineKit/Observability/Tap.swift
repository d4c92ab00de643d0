import Locking
public import Wire

/// What somebody who looks on sees of messages on their way, without holding them up: a bounded number of passages, noted only
/// while somebody looks, and no more than so many a second. May be used from any thread.
public final class Tap: Sendable {
    /// A message at a stage.
    public struct Event: Sendable {
        /// Counts up; what is missing between two was not noted because there was too much.
        public var number: Int
        /// When.
        public var time: Timestamp
        /// The pipeline.
        public var pipeline: String
        /// The stage.
        public var stage: String
        /// What the stage did with it: `passed`, `filtered`, `refused`, `failed`, or how the sink's write ended.
        public var outcome: String
        /// Why, where there is a reason.
        public var reason: String?
        /// The message as it left the stage. It may hold secrets.
        public var message: Message
    }

    private struct State {
        var ring: [Event] = []
        var nextNumber = 1
        var second: Int64 = 0
        var countInSecond = 0
        var lastReadAt = ContinuousClock.now
    }

    /// The most passages that wait for somebody to look.
    public static let capacity = 256
    /// The most passages noted in one second.
    public static let perSecond = 100
    /// How long after the last look nothing is noted any more.
    private let idleTimeout: Duration

    private let isObserved = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// A tap at which nobody looks.
    public convenience init() { self.init(idleTimeout: .seconds(5)) }

    init(idleTimeout: Duration) { self.idleTimeout = idleTimeout }

    /// Whether somebody looks.
    var isActive: Bool { isObserved.load(ordering: .relaxed) }

    /// What passed since a number, oldest first; from now on it is noted for some seconds.
    ///
    /// - Returns: the passages, and the number to ask with next; what was missed lies between it and the passages' numbers.
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

/// The tap as one lane of a pipeline uses it.
final class PipelineTap: Sendable {
    private let tap: Tap
    private let pipeline: String

    init(_ tap: Tap, pipeline: String) {
        self.tap = tap
        self.pipeline = pipeline
    }

    /// Whether somebody looks.
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
