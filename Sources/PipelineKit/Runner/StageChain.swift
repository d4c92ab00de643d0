import Wire

/// The filters and transforms of a pipeline in order, run on one message without a hop between them.
struct StageChain: Sendable {
    /// One stage.
    struct Step: Sendable {
        enum Work: Sendable {
            case filter(any Filter)
            case transform(any Transform)
        }

        let name: String
        let work: Work
        /// Where what the filter stops goes.
        var otherwise: SideExit?
    }

    /// What became of a message.
    enum Outcome {
        /// These go to the sink.
        case passed([Message])
        /// It ended here.
        case ended(Settlement)
        /// A filter stopped it, and it goes another way.
        case diverted(Message, SideExit)
        /// It became several, not all of which go to the sink.
        case parts(Parts)
        /// A stage could not work on it this time.
        case failed(stage: String, reason: String, retryAfter: Duration?)
    }

    /// What became of the several messages that one became.
    struct Parts {
        var passed: [Message] = []
        var diverted: [(Message, SideExit)] = []
        var ended: [Settlement] = []
    }

    /// A filter that wants to know how a message ended.
    struct Watch {
        let filter: any OutcomeObserver
        let message: Message
    }

    private let steps: [Step]
    private let observers: [(any OutcomeObserver)?]
    private let metrics: [StageMetrics]
    private let clock: MonotonicClock
    private let tap: PipelineTap?

    init(_ steps: [Step], metrics: [StageMetrics], clock: MonotonicClock, tap: PipelineTap? = nil) {
        self.steps = steps
        observers = steps.map { if case .filter(let filter) = $0.work { filter as? any OutcomeObserver } else { nil } }
        self.metrics = metrics
        self.clock = clock
        self.tap = tap
    }

    /// Runs the stages on a message. Messages that a transform made are run separately from there on.
    ///
    /// - Parameter watches: is added to where a filter wants to know how the message ends.
    func run(_ message: Message, from first: Int = 0, watches: inout [Watch]) -> Outcome {
        var message = message
        for index in first..<steps.count {
            let step = steps[index]
            let started = clock.now()
            let outcome = Self.run(step, on: &message)
            metrics[index].record(outcome, taking: clock.now() - started)
            if let tap, tap.isActive { tap.note(outcome, of: message, at: step.name) }
            switch outcome {
            case .continues:
                if let observer = observers[index] { watches.append(Watch(filter: observer, message: message)) }
            case .several(let messages): return runAll(messages, from: index + 1, after: step.name, watches: &watches)
            case .filtered:
                return step.otherwise.map { .diverted(message, $0) } ?? .ended(.filtered(stage: step.name))
            case .refused(let reason): return .ended(.refused(stage: step.name, reason: reason, attempts: 0))
            case .failed(let reason, let retryAfter):
                return .failed(stage: step.name, reason: reason, retryAfter: retryAfter)
            }
        }
        return .passed([message])
    }

    private static func run(_ step: Step, on message: inout Message) -> StageMetrics.Outcome {
        do {
            switch step.work {
            case .filter(let filter):
                return try filter.admits(message) ? .continues : .filtered
            case .transform(let transform):
                let made = try transform.transform(message)
                guard made.count == 1 else { return made.isEmpty ? .filtered : .several(made) }
                message = made[0]
                return .continues
            }
        } catch let error as StageError where error.mayPass {
            return .failed(reason: error.description, retryAfter: error.retryAfter)
        } catch {
            return .refused("\(error)")
        }
    }

    /// All that several messages become. If one of them is refused, all are: the sender can only be told one thing, and
    /// what is refused has to be seen. If one has to be tried again, so have all.
    private func runAll(
        _ messages: [Message], from first: Int, after stage: String, watches: inout [Watch]
    ) -> Outcome {
        var parts = Parts()
        for message in messages {
            switch run(message, from: first, watches: &watches) {
            case .passed(let more): parts.passed += more
            case .diverted(let message, let exit): parts.diverted.append((message, exit))
            case .parts(let more):
                parts.passed += more.passed
                parts.diverted += more.diverted
                parts.ended += more.ended
            case .ended(let settlement):
                if !settlement.isGood { return .ended(settlement) }
                parts.ended.append(settlement)
            case .failed(let stage, let reason, let retryAfter):
                return .failed(stage: stage, reason: reason, retryAfter: retryAfter)
            }
        }
        guard parts.diverted.isEmpty else { return .parts(parts) }
        if parts.passed.isEmpty { return .ended(parts.ended.last ?? .filtered(stage: stage)) }
        return .passed(parts.passed)
    }
}
