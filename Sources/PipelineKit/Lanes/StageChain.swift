import Wire

/// The filters and transforms of a pipeline, run on one message in order without a thread change.
struct StageChain: Sendable {
    struct Step: Sendable {
        enum Operation: Sendable {
            case filter(any Filter)
            case transform(any Transform)
        }

        let name: String
        let operation: Operation
        /// Where messages go that the filter stops.
        var otherwise: DivertedOutput?
    }

    /// How the stages left a message.
    enum Outcome {
        /// The messages that go to the sink.
        case passed([Message])
        /// The message ended.
        case ended(Settlement)
        /// A filter stopped the message, and it goes to another output.
        case diverted(Message, DivertedOutput)
        /// The message was split, and not all parts go to the sink.
        case parts(Parts)
        /// A stage failed with a transient error.
        case failed(stage: String, reason: String, retryAfter: Duration?)
    }

    /// What became of the parts of a message.
    struct Parts {
        var passed: [Message] = []
        var diverted: [(Message, DivertedOutput)] = []
        var ended: [Settlement] = []
    }

    /// A filter that observes how a message ends.
    struct Observation {
        let filter: any OutcomeObserver
        let message: Message
    }

    /// A lane's state for its runs: counts that the next `flushMetrics` records.
    struct RunContext {
        /// The filters that observe how the message ends. The lane takes them over with the message.
        var observations: [Observation] = []
        /// Whether the stages are timed.
        var isTimed = true
        fileprivate var tallies: [StageMetrics.Tally]
    }

    /// One or several steps that run together, with what can be decided in advance.
    private struct Invocation: Sendable {
        enum Operation: Sendable {
            case group(any FilterGroup)
            case record(any RecordFilter)
            case filter(any Filter)
            case observed(any OutcomeObserver)
            case transform(any Transform)
        }

        let operation: Operation
        /// The index of the first step.
        let first: Int
        let count: Int
    }

    private let steps: [Step]
    private let invocations: [Invocation]
    private let metrics: [StageMetrics]
    private let clock: MonotonicClock
    private let now: @Sendable () -> Timestamp
    private let tap: PipelineTap?

    init(
        _ steps: [Step], metrics: [StageMetrics], clock: MonotonicClock, now: @escaping @Sendable () -> Timestamp
    ) {
        self.init(steps, Self.invocations(steps), metrics, clock, now, tap: nil)
    }

    private init(
        _ steps: [Step], _ invocations: [Invocation], _ metrics: [StageMetrics], _ clock: MonotonicClock,
        _ now: @escaping @Sendable () -> Timestamp, tap: PipelineTap?
    ) {
        self.steps = steps
        self.invocations = invocations
        self.metrics = metrics
        self.clock = clock
        self.now = now
        self.tap = tap
    }

    /// Returns a copy of the chain for one lane. It has arrays of its own, because lanes would contend for the
    /// reference counts of shared ones.
    func forLane(tap: PipelineTap?) -> StageChain {
        StageChain(steps.map { $0 }, invocations.map { $0 }, metrics.map { $0 }, clock, now, tap: tap)
    }

    /// Makes the state that a lane passes with each message.
    func makeContext() -> RunContext { RunContext(tallies: Array(repeating: StageMetrics.Tally(), count: steps.count)) }

    /// Records the counts in the metrics.
    func flushMetrics(_ context: inout RunContext) {
        for index in metrics.indices { metrics[index].record(&context.tallies[index]) }
    }

    // MARK: - Making calls of steps

    private static func invocations(_ steps: [Step]) -> [Invocation] {
        var invocations: [Invocation] = []
        var index = 0
        while index < steps.count {
            let group = steps[index...].prefix { recordFilter($0) != nil }.compactMap(recordFilter)
            if let first = group.first {
                invocations += self.invocations(first, group, at: index)
            } else {
                invocations.append(Invocation(operation: operation(steps[index].operation), first: index, count: 1))
            }
            index = invocations.last.map { $0.first + $0.count } ?? steps.count
        }
        return invocations
    }

    private static func recordFilter(_ step: Step) -> (any RecordFilter)? {
        guard case .filter(let filter) = step.operation, !(filter is any OutcomeObserver) else { return nil }
        return filter as? any RecordFilter
    }

    /// Groups the leading filters of one kind, if the kind gains from it.
    private static func invocations<Kind: RecordFilter>(
        _ first: Kind, _ filters: [any RecordFilter], at index: Int
    ) -> [Invocation] {
        let same = filters.prefix { $0 is Kind }.compactMap { $0 as? Kind }
        if same.count > 1, let group = Kind.group(of: same) {
            return [Invocation(operation: .group(group), first: index, count: same.count)]
        }
        return same.enumerated().map { Invocation(operation: .record($1), first: index + $0, count: 1) }
    }

    private static func operation(_ operation: Step.Operation) -> Invocation.Operation {
        switch operation {
        case .filter(let filter as any OutcomeObserver): .observed(filter)
        case .filter(let filter): .filter(filter)
        case .transform(let transform): .transform(transform)
        }
    }

    // MARK: - Running

    /// Runs the stages on a message. The parts that a transform makes of it run separately from there on.
    ///
    /// - Parameter first: the index of the invocation to start with.
    func run(_ message: Message, from first: Int = 0, context: inout RunContext) -> Outcome {
        var message = message
        var record: RecordView?
        var started = context.isTimed ? clock.nanoseconds() : 0
        for index in first..<invocations.count {
            let invocation = invocations[index]
            let (outcome, stop) = run(invocation, on: &message, &record, context: &context)
            for passed in invocation.first..<stop { context.tallies[passed].add(.continues) }
            context.tallies[stop].add(outcome)
            if context.isTimed {
                let ended = clock.nanoseconds()
                // Filters that run together share the time.
                let share = (ended - started) / Int64(stop - invocation.first + 1)
                for asked in invocation.first...stop { metrics[asked].recordDuration(nanoseconds: share) }
                started = ended
            }
            if let tap, tap.isActive {
                for passed in invocation.first..<stop { tap.record(.continues, of: message, at: steps[passed].name) }
                tap.record(outcome, of: message, at: steps[stop].name)
            }
            if case .continues = outcome { continue }
            let step = steps[stop]
            switch outcome {
            case .continues: break
            case .several(let messages): return runAll(messages, from: index + 1, after: step.name, context: &context)
            case .filtered:
                return step.otherwise.map { .diverted(message, $0) } ?? .ended(.filtered(stage: step.name))
            case .refused(let reason): return .ended(.refused(stage: step.name, reason: reason, attempts: 0))
            case .failed(let reason, let retryAfter):
                return .failed(stage: step.name, reason: reason, retryAfter: retryAfter)
            }
        }
        return .passed([message])
    }

    /// - Returns: how the last step that ran left the message, and the index of that step.
    private func run(
        _ invocation: Invocation, on message: inout Message, _ record: inout RecordView?, context: inout RunContext
    ) -> (StageMetrics.Outcome, step: Int) {
        func view() -> RecordView {
            let view = record ?? RecordView(message, now: now())
            record = view
            return view
        }
        do {
            switch invocation.operation {
            case .group(let group):
                switch group.run(view()) {
                case .passed: return (.continues, invocation.first + invocation.count - 1)
                case .stopped(let number): return (.filtered, invocation.first + number)
                case .failed(let number, let error): return (Self.outcome(of: error), invocation.first + number)
                }
            case .record(let filter): return (try filter.admits(view()) ? .continues : .filtered, invocation.first)
            case .filter(let filter): return (try filter.admits(message) ? .continues : .filtered, invocation.first)
            case .observed(let filter):
                guard try filter.admits(message) else { return (.filtered, invocation.first) }
                context.observations.append(Observation(filter: filter, message: message))
                return (.continues, invocation.first)
            case .transform(let transform):
                let transformed = try transform.transform(message)
                guard transformed.count == 1 else {
                    return (transformed.isEmpty ? .filtered : .several(transformed), invocation.first)
                }
                message = transformed[0]
                record = nil
                return (.continues, invocation.first)
            }
        } catch {
            return (Self.outcome(of: error), invocation.first)
        }
    }

    private static func outcome(of error: any Error) -> StageMetrics.Outcome {
        if let error = error as? StageError, error.isTransient {
            return .failed(reason: error.description, retryAfter: error.retryAfter)
        }
        return .refused("\(error)")
    }

    /// Runs the remaining stages on all parts of a message. If one part is refused, all are: the sender gets one
    /// answer, and a refusal must be seen. If one part must be retried, all are.
    private func runAll(
        _ messages: [Message], from first: Int, after stage: String, context: inout RunContext
    ) -> Outcome {
        var parts = Parts()
        for message in messages {
            switch run(message, from: first, context: &context) {
            case .passed(let more): parts.passed += more
            case .diverted(let message, let output): parts.diverted.append((message, output))
            case .parts(let more):
                parts.passed += more.passed
                parts.diverted += more.diverted
                parts.ended += more.ended
            case .ended(let settlement):
                if !settlement.isSuccess { return .ended(settlement) }
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
