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
    }

    /// What became of a message.
    enum Outcome {
        /// These go to the sink.
        case passed([Message])
        /// It ended here.
        case ended(Settlement)
    }

    private let steps: [Step]
    private let metrics: [StageMetrics]
    private let clock: MonotonicClock

    init(_ steps: [Step], metrics: [StageMetrics], clock: MonotonicClock) {
        self.steps = steps
        self.metrics = metrics
        self.clock = clock
    }

    /// Runs the stages on a message. Messages that a transform made are run separately from there on.
    func run(_ message: Message, from first: Int = 0) -> Outcome {
        var message = message
        for index in first..<steps.count {
            let started = clock.now()
            let outcome = Self.run(steps[index], on: &message)
            metrics[index].record(outcome, taking: clock.now() - started)
            switch outcome {
            case .continues: continue
            case .several(let messages): return runAll(messages, from: index + 1, after: steps[index].name)
            case .filtered: return .ended(.filtered(stage: steps[index].name))
            case .refused(let reason): return .ended(.refused(stage: steps[index].name, reason: reason, attempts: 0))
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
        } catch {
            return .refused("\(error)")
        }
    }

    /// All that several messages become. If one of them is refused, all are: the sender can only be told one thing, and
    /// what is refused has to be seen.
    private func runAll(_ messages: [Message], from first: Int, after stage: String) -> Outcome {
        var passed: [Message] = []
        var last = Settlement.filtered(stage: stage)
        for message in messages {
            switch run(message, from: first) {
            case .passed(let more): passed += more
            case .ended(let settlement):
                if !settlement.isGood { return .ended(settlement) }
                last = settlement
            }
        }
        return passed.isEmpty ? .ended(last) : .passed(passed)
    }
}
