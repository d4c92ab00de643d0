import Dispatch
import Locking
import Wire

/// One of a pipeline's serial queues. It runs the stages on the messages whose keys fall to it and drives their delivery,
/// so that messages of one key stay in order without a lock. What arrives is taken in batches: one wake-up, many
/// messages. Its queue runs on the threads that all of Dispatch shares: with threads of their own lanes would be more than there are
/// processors.
///
/// `@unchecked Sendable`, because a serial queue guards what changes: `delivery`, `generator`, `events`, `position`, `mustWakeNext`, `creditBatch`,
/// `context`, `run`, `postponed` and `timerDue` are touched only by what `drain`, `finish`, `abandon` and the timer run on `queue`. What
/// other threads call (`accept`, `pull`, `wake`) touches `inbox`, which has a lock. Everything else is constant and `Sendable`.
final class Lane: @unchecked Sendable {
    private enum Event {
        case accepted(Receipt)
        case written([Delivery.Entry], [WriteOutcome], duration: Int64, isProbe: Bool)
        case generator(ActiveGenerator)
        /// There is a credit for the series; or there will be none any more.
        case credit(Bool)
        case wake
    }

    /// Messages that the lane makes itself.
    private struct ActiveGenerator {
        let messages: MessageGenerator
        let complete: Receipt.Completion
        let ended: @Sendable () -> Void
    }

    /// After how many messages, at most, the sink gets what is ready and credits are given back; and how many a series is asked for
    /// at once.
    static let batchLimit = 64

    /// A message on which a stage could not work this time.
    private struct Postponed {
        let receipt: Receipt
        let attempts: Int
        let due: Duration
    }

    private struct Inbox {
        var events: [Event] = []
        /// Whether the lane works, or will, and looks here before it rests.
        var isScheduled = false
    }

    /// How long a lane works before others have their turn, in nanoseconds; and how often it looks for more within that at most.
    private static let turnDuration: Int64 = 2_000_000
    private static let maximumRoundsPerTurn = 1000

    private let index: Int
    private let queue: DispatchQueue
    private let inbox = Mutex(Inbox())
    private let chain: StageChain
    private let sink: any Sink
    /// The same sink, where it can be called without a task.
    private let completingSink: (any CompletingSink)?
    private let sinkName: String
    private let retry: RetryPolicy
    private let tap: PipelineTap?
    private let recentErrors: RecentErrors
    private let sinkBatch: Int
    private let window: InFlightWindow
    private let breaker: CircuitBreaker
    private let metrics: PipelineMetrics
    private let clock: MonotonicClock
    private let now: @Sendable () -> Timestamp
    /// Calls the lane that may write now.
    private let wakeLane: @Sendable (Int) -> Void
    /// Calls all lanes.
    private let wakeAll: @Sendable () -> Void
    private let creditPool: CreditPool
    /// The credits of what has ended and was not given back yet.
    private let creditBatch: CreditBatch

    private var delivery: Delivery
    private var generator: ActiveGenerator?
    /// What was taken from the inbox, and how much of it is handled.
    private var events: [Event] = []
    private var position = 0
    /// Whether the lane was called because it may write, and has not looked yet whether others may too.
    private var mustWakeNext = false
    private var context: StageChain.RunContext
    /// How many messages were run since the lane's turn began.
    private var processedCount = 0
    private var postponed: [Postponed] = []
    private var timerDue: Duration?

    init(
        index: Int, pipeline: String, chain: StageChain, sink: any Sink, sinkName: String, retry: RetryPolicy,
        creditPool: CreditPool, window: InFlightWindow, breaker: CircuitBreaker, tap: PipelineTap?,
        recentErrors: RecentErrors,
        metrics: PipelineMetrics, clock: MonotonicClock, now: @escaping @Sendable () -> Timestamp,
        wakeLane: @escaping @Sendable (Int) -> Void, wakeAll: @escaping @Sendable () -> Void
    ) {
        self.index = index
        queue = DispatchQueue(label: "hecate.\(pipeline).lane-\(index)", target: .global())
        self.chain = chain
        self.sink = sink
        completingSink = sink as? any CompletingSink
        self.sinkName = sinkName
        self.retry = retry
        self.tap = tap
        self.recentErrors = recentErrors
        sinkBatch = max(1, sink.capabilities.batch)
        self.creditPool = creditPool
        creditBatch = CreditBatch()
        delivery = Delivery(
            sinkName: sinkName, isUpsert: sink.capabilities.isUpsert, retry: retry, creditBatch: creditBatch)
        context = chain.makeContext()
        self.window = window
        self.breaker = breaker
        self.metrics = metrics
        self.clock = clock
        self.now = now
        self.wakeLane = wakeLane
        self.wakeAll = wakeAll
    }

    /// Takes a receipt's message. From any thread.
    func accept(_ receipt: Receipt) { post(.accepted(receipt)) }

    /// Has the messages of a series made on the lane's queue whenever the lane has credits. From any thread.
    ///
    /// - Parameter end: gives the messages' answers.
    /// - Returns: when the series has ended, or none of it can be taken any more.
    func pull(_ generator: MessageGenerator, _ complete: @escaping Receipt.Completion) async {
        await withCheckedContinuation { continuation in
            post(.generator(ActiveGenerator(messages: generator, complete: complete) { continuation.resume() }))
        }
    }

    /// Looks whether there is something to write. From any thread.
    func wake() { post(.wake) }

    /// Returns when all that the lane counted has been told. From any thread.
    func finish() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.chain.flushMetrics(&self.context)
                continuation.resume()
            }
        }
    }

    /// Settles everything that has not ended as failed. From any thread; done when this returns.
    func abandon(reason: String) {
        queue.sync {
            repeat { handleEvents(until: .max) } while position < events.count || takeEvents(unschedulesIfEmpty: false)
            for waiting in postponed { waiting.receipt.settle(.failed(reason: reason, retryAfter: nil)) }
            postponed = []
            delivery.abandon(reason: reason)
            endGenerator()
            releaseCredits()
            if let waiting = window.nextWaitingLane() { wakeLane(waiting) }
        }
    }

    private func post(_ event: Event) {
        let needsWakeUp = inbox.withLock { inbox in
            inbox.events.append(event)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        if needsWakeUp { queue.async { self.drain() } }
    }

    /// Works until there is nothing more to do, or its turn is over: then whatever else waits for one of Dispatch's threads goes first,
    /// or a lane that never rests would keep one from all others.
    private func drain() {
        processedCount = 0
        let deadline = clock.nanoseconds() + Self.turnDuration
        var hasMore = true
        for _ in 0..<Self.maximumRoundsPerTurn {
            if position == events.count, !takeEvents(unschedulesIfEmpty: creditBatch.isEmpty), creditBatch.isEmpty {
                hasMore = false
                break
            }
            runRound(until: deadline)
            if clock.nanoseconds() > deadline { break }
        }
        chain.flushMetrics(&context)
        armTimer()
        metrics.recordInFlight(window.used)
        if hasMore { DispatchQueue.global().async { [self] in queue.async { self.drain() } } }
    }

    private func runRound(until deadline: Int64) {
        handleEvents(until: deadline)
        processPostponed()
        write()
        releaseCredits()
        // What came of that is written too.
        write()
        if mustWakeNext {
            mustWakeNext = false
            if let waiting = window.nextWaitingLane() { wakeLane(waiting) }
        }
    }

    /// Takes what has arrived, when all that was taken before is handled.
    ///
    /// - Parameter resting: whether the lane ends its work where nothing has; it is called for what comes then.
    /// - Returns: whether anything has arrived.
    private func takeEvents(unschedulesIfEmpty: Bool) -> Bool {
        position = 0
        // Filled again and again, so that it grows once.
        events.removeAll(keepingCapacity: events.count <= 4 * Self.batchLimit)
        return inbox.withLock { inbox in
            if inbox.events.isEmpty {
                if unschedulesIfEmpty { inbox.isScheduled = false }
                return false
            }
            swap(&inbox.events, &events)
            return true
        }
    }

    /// Handles what was taken in its order: no more at once than the sink, and who waits for a credit, should wait for.
    private func handleEvents(until deadline: Int64) {
        dispatchPrecondition(condition: .onQueue(queue))
        let stop = min(position + Self.batchLimit, events.count)
        while position < stop {
            let event = events[position]
            position += 1
            switch event {
            case .accepted(let receipt): process(receipt)
            case .written(let entries, let outcomes, let nanoseconds, let isProbe):
                metrics.recordWrites(outcomes, duration: nanoseconds)
                complete(entries, outcomes, isProbe)
            case .generator(let generator):
                self.generator = generator
                waitForCredit()
            case .credit(true):
                feed(1 + creditPool.tryAcquire(atMost: Self.batchLimit - 1))
                waitForCredit()
            case .credit(false): endGenerator()
            case .wake: mustWakeNext = true
            }
            // Stages may take their time.
            if position % 16 == 0, clock.nanoseconds() > deadline { break }
        }
    }

    // MARK: - Credits

    /// Gives back the credits of what has ended: to the lane's own series first.
    private func releaseCredits() { feed(creditBatch.drain()) }

    /// Has messages of the series made for credits that the lane holds, and runs them; what is not needed goes to the gate.
    private func feed(_ credits: Int) {
        guard credits > 0 else { return }
        guard let generator else { return creditPool.release(credits) }
        let messages = generator.messages.next(credits)
        let now = clock.now()
        for message in messages ?? [] {
            process(
                Receipt(message, acceptedAt: now, settled: generator.messages.settled, complete: generator.complete))
        }
        if messages == nil { endGenerator() }
        creditPool.release(credits - (messages?.count ?? 0))
    }

    /// Waits in line for a credit beside those that come back to the lane by themselves.
    private func waitForCredit() {
        guard generator != nil else { return }
        creditPool.acquire { [self] in post(.credit($0)) }
    }

    private func endGenerator() {
        generator?.ended()
        generator = nil
    }

    // MARK: - Messages

    private func process(_ receipt: Receipt, attempts: Int = 0) {
        // Under load the clocks and counters would cost more than short stages do: of many messages at once, every sixteenth is
        // timed, and what is counted is told then.
        context.isTimed = processedCount % 16 == 0
        processedCount += 1
        let outcome = chain.run(receipt.message, context: &context)
        if context.isTimed { chain.flushMetrics(&context) }
        defer { if !context.observations.isEmpty { context.observations = [] } }
        if case .failed(let stage, let reason, let retryAfter) = outcome {
            recentErrors.record("failed", at: stage, reason)
            return postpone(receipt, attempts + 1, "\(stage): \(reason)", retryAfter)
        }
        for observation in context.observations {
            receipt.observe { observation.filter.ended(observation.message, $0) }
        }
        switch outcome {
        case .ended(let settlement):
            if case .refused(let stage, let reason, _) = settlement {
                recentErrors.record("refused", at: stage, reason)
            }
            receipt.settle(settlement, creditBatch)
        case .passed(let messages):
            if messages.count > 1 { receipt.split(into: messages.count) }
            deliver(messages, receipt)
        case .diverted(let message, let output): output.enqueue(message) { receipt.settle($0) }
        case .parts(let parts):
            receipt.split(into: parts.passed.count + parts.diverted.count + parts.ended.count)
            deliver(parts.passed, receipt)
            for (message, output) in parts.diverted { output.enqueue(message) { receipt.settle($0) } }
            for settlement in parts.ended { receipt.settle(settlement, creditBatch) }
        case .failed: break
        }
    }

    private func deliver(_ messages: [Message], _ receipt: Receipt) {
        for message in messages { delivery.enqueue(.init(message, receipt)) }
    }

    /// Lets a message rest on which a stage could not work, or gives it up where it was tried long enough.
    private func postpone(_ receipt: Receipt, _ attempts: Int, _ reason: String, _ retryAfter: Duration?) {
        let now = clock.now()
        // A stage can be asked again at little cost, so never much later than it may say yes.
        let pause = max(
            min(retry.pause(after: attempts, retryAfter: nil, jitter: .random(in: 0...1)), .seconds(1)),
            retryAfter ?? .zero)
        if let limit = retry.maxElapsed, now + pause - receipt.acceptedAt > limit {
            return receipt.settle(.failed(reason: reason, retryAfter: retryAfter), creditBatch)
        }
        postponed.append(Postponed(receipt: receipt, attempts: attempts, due: now + pause))
    }

    /// Looks again at what has rested long enough.
    private func processPostponed() {
        guard !postponed.isEmpty else { return }
        let now = clock.now()
        let due = postponed.filter { $0.due <= now }
        guard !due.isEmpty else { return }
        postponed.removeAll { $0.due <= now }
        for waiting in due { process(waiting.receipt, attempts: waiting.attempts) }
    }

    private func write() {
        dispatchPrecondition(condition: .onQueue(queue))
        while delivery.hasReady {
            let started = clock.nanoseconds()
            let permission = breaker.permission(now: .nanoseconds(started))
            if case .wait(let time) = permission { return wake(at: time) }
            let isProbe = permission == .probe
            let batch =
                window.acquire(lane: index) ? delivery.nextBatch(atMost: isProbe ? 1 : sinkBatch, now: now()) : nil
            guard let batch, !batch.isEmpty else {
                if isProbe { breaker.returnProbe(now: clock.now()) }
                guard batch != nil else { return }
                release()
                continue
            }
            if isProbe { metrics.recordBreakerState(breaker.state) }
            let messages = batch.map(\.message)
            if let completingSink {
                completingSink.write(messages) { [self] in written(batch, $0, since: started, isProbe) }
                continue
            }
            // Begun here: most sinks hand the messages on without waiting, and another thread would only have to be woken for that.
            Task.immediate { [self] in written(batch, await sink.write(messages), since: started, isProbe) }
        }
    }

    /// The sink answered. From any thread.
    private func written(_ batch: [Delivery.Entry], _ outcomes: [WriteOutcome], since started: Int64, _ isProbe: Bool) {
        post(.written(batch, outcomes, duration: clock.nanoseconds() - started, isProbe: isProbe))
    }

    private func complete(_ entries: [Delivery.Entry], _ outcomes: [WriteOutcome], _ isProbe: Bool) {
        dispatchPrecondition(condition: .onQueue(queue))
        release()
        let now = clock.now()
        var successes = 0
        for (index, entry) in entries.enumerated() {
            let outcome =
                index < outcomes.count
                ? outcomes[index] : .transient(reason: "the sink gave no answer for this message", retryAfter: nil)
            if let tap, tap.isActive { tap.record(outcome, of: entry.message, at: sinkName) }
            switch outcome {
            case .transient(let reason, _), .permanent(let reason):
                recentErrors.record(outcome.name, at: sinkName, reason)
            case .delivered, .expired, .superseded: break
            }
            if delivery.complete(entry.message.key, outcome, now: now, jitter: .random(in: 0...1)) {
                metrics.recordRetry()
            }
            let succeeded = if case .transient = outcome { false } else { true }
            if succeeded, entry.attempts == 0, !isProbe {
                successes += 1
            } else {
                breaker.recordSuccesses(successes, now: now)
                successes = 0
                recordInBreaker(succeeded, entry, isProbe, now)
            }
        }
        breaker.recordSuccesses(successes, now: now)
    }

    private func recordInBreaker(_ succeeded: Bool, _ entry: Delivery.Entry, _ isProbe: Bool, _ now: Duration) {
        let hasChanged = breaker.record(
            succeeded: succeeded, isFirstTry: entry.attempts == 0, isProbe: isProbe, now: now)
        guard hasChanged else { return }
        let state = breaker.state
        metrics.recordBreakerState(state)
        // A probe that fails leaves everything as it was.
        if state == .closed || !isProbe { recentErrors.breakerDidChange(to: state, at: sinkName) }
        if state == .closed { wakeAll() }
    }

    /// Gives back a place in the window. The lane itself need not be called: it looks for something to write before it rests.
    private func release() {
        guard let waiting = window.release() else { return }
        if waiting == index { mustWakeNext = true } else { wakeLane(waiting) }
    }

    /// Sees to it that the lane is woken when the next retry is due.
    private func armTimer() {
        let nextPostponed = postponed.lazy.map(\.due).min()
        if let due = delivery.nextRetry { wake(at: due) }
        if let nextPostponed { wake(at: nextPostponed) }
    }

    private func wake(at due: Duration) {
        if let timerDue, timerDue <= due { return }
        timerDue = due
        let pause = max(.zero, due - clock.now())
        queue.asyncAfter(deadline: .now() + pause.inSeconds) { [self] in
            timerDue = nil
            delivery.wake(now: clock.now())
            wake()
        }
    }
}
