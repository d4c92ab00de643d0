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

    /// What one lane notes while it runs messages, between two `tell`s.
    struct Notes {
        /// The filters that want to know how the message ends; the lane takes them away with the message.
        var watches: [Watch] = []
        /// Whether the stages are timed.
        var isTimed = true
        fileprivate var tallies: [StageMetrics.Tally]
    }

    /// One step or several as they are run: what can be told of them beforehand is.
    private struct Call: Sendable {
        enum Work: Sendable {
            case row(any FilterRow)
            case record(any RecordFilter)
            case filter(any Filter)
            case observed(any OutcomeObserver)
            case transform(any Transform)
        }

        let work: Work
        /// The number of the first step.
        let first: Int
        let count: Int
    }

    private let steps: [Step]
    private let calls: [Call]
    private let metrics: [StageMetrics]
    private let clock: MonotonicClock
    private let now: @Sendable () -> Timestamp
    private let tap: PipelineTap?

    init(
        _ steps: [Step], metrics: [StageMetrics], clock: MonotonicClock, now: @escaping @Sendable () -> Timestamp
    ) {
        self.init(steps, Self.calls(steps), metrics, clock, now, tap: nil)
    }

    private init(
        _ steps: [Step], _ calls: [Call], _ metrics: [StageMetrics], _ clock: MonotonicClock,
        _ now: @escaping @Sendable () -> Timestamp, tap: PipelineTap?
    ) {
        self.steps = steps
        self.calls = calls
        self.metrics = metrics
        self.clock = clock
        self.now = now
        self.tap = tap
    }

    /// The same chain for one lane: with lists of its own, since lanes that count the references to one list hold each other up.
    func forLane(tap: PipelineTap?) -> StageChain {
        StageChain(steps.map { $0 }, calls.map { $0 }, metrics.map { $0 }, clock, now, tap: tap)
    }

    /// Notes for a lane to hand in with each message.
    func makeNotes() -> Notes { Notes(tallies: Array(repeating: StageMetrics.Tally(), count: steps.count)) }

    /// Tells the metrics what was counted.
    func tell(_ notes: inout Notes) {
        for index in metrics.indices { metrics[index].take(&notes.tallies[index]) }
    }

    // MARK: - Making calls of steps

    private static func calls(_ steps: [Step]) -> [Call] {
        var calls: [Call] = []
        var index = 0
        while index < steps.count {
            let row = steps[index...].prefix { recordFilter($0) != nil }.compactMap(recordFilter)
            if let first = row.first {
                calls += self.calls(first, row, at: index)
            } else {
                calls.append(Call(work: work(steps[index].work), first: index, count: 1))
            }
            index = calls.last.map { $0.first + $0.count } ?? steps.count
        }
        return calls
    }

    private static func recordFilter(_ step: Step) -> (any RecordFilter)? {
        guard case .filter(let filter) = step.work, !(filter is any OutcomeObserver) else { return nil }
        return filter as? any RecordFilter
    }

    /// Those at the beginning that are of one kind, together where that gains something.
    private static func calls<Kind: RecordFilter>(
        _ first: Kind, _ filters: [any RecordFilter], at index: Int
    ) -> [Call] {
        let same = filters.prefix { $0 is Kind }.compactMap { $0 as? Kind }
        if same.count > 1, let row = Kind.row(of: same) {
            return [Call(work: .row(row), first: index, count: same.count)]
        }
        return same.enumerated().map { Call(work: .record($1), first: index + $0, count: 1) }
    }

    private static func work(_ work: Step.Work) -> Call.Work {
        switch work {
        case .filter(let filter as any OutcomeObserver): .observed(filter)
        case .filter(let filter): .filter(filter)
        case .transform(let transform): .transform(transform)
        }
    }

    // MARK: - Running

    /// Runs the stages on a message. Messages that a transform made are run separately from there on.
    ///
    /// - Parameter first: the number of the call to begin with.
    func run(_ message: Message, from first: Int = 0, notes: inout Notes) -> Outcome {
        var message = message
        var record: RecordView?
        var started = notes.isTimed ? clock.nanoseconds() : 0
        for index in first..<calls.count {
            let call = calls[index]
            let (outcome, stop) = run(call, on: &message, &record, notes: &notes)
            for passed in call.first..<stop { notes.tallies[passed].add(.continues) }
            notes.tallies[stop].add(outcome)
            if notes.isTimed {
                let ended = clock.nanoseconds()
                // What is asked together shares its time.
                let share = (ended - started) / Int64(stop - call.first + 1)
                for asked in call.first...stop { metrics[asked].took(nanoseconds: share) }
                started = ended
            }
            if let tap, tap.isActive {
                for passed in call.first..<stop { tap.note(.continues, of: message, at: steps[passed].name) }
                tap.note(outcome, of: message, at: steps[stop].name)
            }
            if case .continues = outcome { continue }
            let step = steps[stop]
            switch outcome {
            case .continues: break
            case .several(let messages): return runAll(messages, from: index + 1, after: step.name, notes: &notes)
            case .filtered:
                return step.otherwise.map { .diverted(message, $0) } ?? .ended(.filtered(stage: step.name))
            case .refused(let reason): return .ended(.refused(stage: step.name, reason: reason, attempts: 0))
            case .failed(let reason, let retryAfter):
                return .failed(stage: step.name, reason: reason, retryAfter: retryAfter)
            }
        }
        return .passed([message])
    }

    /// - Returns: how the last step that was asked left the message, and which that is.
    private func run(
        _ call: Call, on message: inout Message, _ record: inout RecordView?, notes: inout Notes
    ) -> (StageMetrics.Outcome, step: Int) {
        func view() -> RecordView {
            let view = record ?? RecordView(message, now: now())
            record = view
            return view
        }
        do {
            switch call.work {
            case .row(let row):
                switch row.run(view()) {
                case .passed: return (.continues, call.first + call.count - 1)
                case .stopped(let number): return (.filtered, call.first + number)
                case .failed(let number, let error): return (Self.outcome(of: error), call.first + number)
                }
            case .record(let filter): return (try filter.admits(view()) ? .continues : .filtered, call.first)
            case .filter(let filter): return (try filter.admits(message) ? .continues : .filtered, call.first)
            case .observed(let filter):
                guard try filter.admits(message) else { return (.filtered, call.first) }
                notes.watches.append(Watch(filter: filter, message: message))
                return (.continues, call.first)
            case .transform(let transform):
                let made = try transform.transform(message)
                guard made.count == 1 else { return (made.isEmpty ? .filtered : .several(made), call.first) }
                message = made[0]
                record = nil
                return (.continues, call.first)
            }
        } catch {
            return (Self.outcome(of: error), call.first)
        }
    }

    private static func outcome(of error: any Error) -> StageMetrics.Outcome {
        if let error = error as? StageError, error.mayPass {
            return .failed(reason: error.description, retryAfter: error.retryAfter)
        }
        return .refused("\(error)")
    }

    /// All that several messages become. If one of them is refused, all are: the sender can only be told one thing, and
    /// what is refused has to be seen. If one has to be tried again, so have all.
    private func runAll(
        _ messages: [Message], from first: Int, after stage: String, notes: inout Notes
    ) -> Outcome {
        var parts = Parts()
        for message in messages {
            switch run(message, from: first, notes: &notes) {
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
