import Locking
public import Wire

/// What somebody who looks on sees of messages on their way, without holding them up: a bounded number of passages, noted only
/// while somebody looks, and no more than so many a second. May be used from any thread.
public final class Tap: Sendable {
    /// A message at a stage.
    public struct Passage: Sendable {
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
        var ring: [Passage] = []
        var nextNumber = 1
        var second: Int64 = 0
        var inSecond = 0
        var lookedAt = ContinuousClock.now
    }

    /// The most passages that wait for somebody to look.
    public static let capacity = 256
    /// The most passages noted in one second.
    public static let perSecond = 100
    /// How long after the last look nothing is noted any more.
    private let attention: Duration

    private let isWatched = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// A tap at which nobody looks.
    public convenience init() { self.init(attention: .seconds(5)) }

    init(attention: Duration) { self.attention = attention }

    /// Whether somebody looks.
    var isActive: Bool { isWatched.load(ordering: .relaxed) }

    /// What passed since a number, oldest first; from now on it is noted for some seconds.
    ///
    /// - Returns: the passages, and the number to ask with next; what was missed lies between it and the passages' numbers.
    public func passages(after number: Int) -> (passages: [Passage], last: Int) {
        isWatched.store(true, ordering: .relaxed)
        return state.withLock { state in
            state.lookedAt = .now
            return (state.ring.filter { $0.number > number }, state.nextNumber - 1)
        }
    }

    fileprivate func note(
        _ outcome: String, _ reason: String?, of message: Message, at stage: String, in pipeline: String
    ) {
        let now = Timestamp.now()
        state.withLock { state in
            if .now - state.lookedAt > attention {
                isWatched.store(false, ordering: .relaxed)
                state.ring = []
                return
            }
            if state.second != now.seconds { (state.second, state.inSecond) = (now.seconds, 0) }
            defer { state.nextNumber += 1 }
            guard state.inSecond < Self.perSecond else { return }
            state.inSecond += 1
            if state.ring.count >= Self.capacity { state.ring.removeFirst() }
            state.ring.append(
                Passage(
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

    func note(_ outcome: StageMetrics.Outcome, of message: Message, at stage: String) {
        switch outcome {
        case .continues: note("passed", of: message, at: stage)
        case .several(let messages): for message in messages { note("passed", of: message, at: stage) }
        case .filtered: note("filtered", of: message, at: stage)
        case .refused(let reason): note("refused", reason, of: message, at: stage)
        case .failed(let reason, _): note("failed", reason, of: message, at: stage)
        }
    }

    func note(_ outcome: WriteOutcome, of message: Message, at sink: String) {
        let reason: String? =
            switch outcome {
            case .transient(let reason, _), .permanent(let reason): reason
            case .delivered, .expired, .superseded: nil
            }
        note(outcome.name, reason, of: message, at: sink)
    }

    func note(_ outcome: String, _ reason: String? = nil, of message: Message, at stage: String) {
        tap.note(outcome, reason, of: message, at: stage, in: pipeline)
    }
}
