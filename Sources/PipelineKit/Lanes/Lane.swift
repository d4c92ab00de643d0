import Dispatch
import Locking
import Wire

/// One of a pipeline's serial queues. Runs the stages on the messages of its keys and drives their delivery, so that
/// messages of one key stay in order without a lock. Takes what has arrived in batches: one wake-up for many messages.
/// The queue uses Dispatch's shared threads: threads of their own would be more than there are processors.
///
/// `@unchecked Sendable`, because a serial queue guards its mutable state: `delivery`, `generator`, `events`,
/// `position`, `mustWakeNext`, `creditBatch`, `context`, `processedCount`, `postponed` and `timerDue` are used only by
/// what `drain`, `finish`, `abandon` and the timer run on `queue`. The methods for other threads (`accept`, `pull`,
/// `wake`) use `inbox`, which has a lock. All else is constant and `Sendable`.
final class Lane: @unchecked Sendable {
    private enum Event {
        case accepted(Receipt)
        case written([Delivery.Entry], [WriteOutcome], duration: Int64, isProbe: Bool)
        case generator(ActiveGenerator)
        /// There is a credit for the generator; false if there will be none any more.
        case credit(Bool)
        case wake
    }

    /// A generator that the lane pulls from.
    private struct ActiveGenerator {
        let messages: MessageGenerator
        let complete: Receipt.Completion
        let ended: @Sendable () -> Void
    }

    /// The maximum number of messages between two writes to the sink and releases of credits, and the most that a
    /// generator is asked for at once.
    static let batchLimit = 64

    /// A message for which a stage failed with a transient error.
    private struct Postponed {
        let receipt: Receipt
        let attempts: Int
        let due: Duration
    }

    private struct Inbox {
        var events: [Event] = []
        /// Whether the lane is draining or will be, so that it reads the inbox before it stops.
        var isScheduled = false
    }

    /// How long a lane works before it yields its thread, in nanoseconds, and the maximum number of rounds in that
    /// time.
    private static let turnDuration: Int64 = 2_000_000
    private static let maximumRoundsPerTurn = 1000

    private let index: Int
    private let queue: DispatchQueue
    private let inbox = Mutex(Inbox())
    private let chain: StageChain
    private let sink: any Sink
    /// The same sink, if it can be called without a task.
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
    /// Wakes the lane that may write now.
    private let wakeLane: @Sendable (Int) -> Void
    /// Wakes all lanes.
    private let wakeAll: @Sendable () -> Void
    private let creditPool: CreditPool
    /// The credits of ended messages that are not released yet.
    private let creditBatch: CreditBatch

    private var delivery: Delivery
    private var generator: ActiveGenerator?
    /// The events taken from the inbox, and how many of them are handled.
    private var events: [Event] = []
    private var position = 0
    /// Whether the lane was woken to write and has not yet passed the wake-up on to other lanes.
    private var mustWakeNext = false
    private var context: StageChain.RunContext
    /// The number of messages processed in this turn.
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

    /// Accepts a receipt's message. Thread-safe.
    func accept(_ receipt: Receipt) { post(.accepted(receipt)) }

    /// Pulls messages from a generator on the lane's queue whenever the lane has credits. Thread-safe.
    ///
    /// - Parameter complete: called with the settlement of each message.
    /// - Returns: when the generator has ended or the pipeline accepts no more messages.
    func pull(_ generator: MessageGenerator, _ complete: @escaping Receipt.Completion) async {
        await withCheckedContinuation { continuation in
            post(.generator(ActiveGenerator(messages: generator, complete: complete) { continuation.resume() }))
        }
    }

    /// Wakes the lane to write what is ready. Thread-safe.
    func wake() { post(.wake) }

    /// Returns when the lane has flushed its metrics. Thread-safe.
    func finish() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.chain.flushMetrics(&self.context)
                continuation.resume()
            }
        }
    }

    /// Settles all messages that have not ended as failed. Thread-safe; done on return.
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

    /// Works until nothing is left to do or its turn is over. Then it yields its Dispatch thread, so that a busy lane
    /// does not starve others.
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
        // Writes the messages that the released credits admitted.
        write()
        if mustWakeNext {
            mustWakeNext = false
            if let waiting = window.nextWaitingLane() { wakeLane(waiting) }
        }
    }

    /// Takes the events that have arrived. Requires that all earlier events are handled.
    ///
    /// - Parameter unschedulesIfEmpty: whether the lane stops if nothing has arrived; the next event then schedules it
    ///   again.
    /// - Returns: whether any events have arrived.
    private func takeEvents(unschedulesIfEmpty: Bool) -> Bool {
        position = 0
        // Reused, so that its capacity grows only once.
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

    /// Handles the next events in order, at most one batch, because the sink and callers that wait for credits should
    /// not wait longer.
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
            // Stages may be slow.
            if position % 16 == 0, clock.nanoseconds() > deadline { break }
        }
    }

    // MARK: - Credits

    /// Releases the credits of ended messages, to the lane's own generator first.
    private func releaseCredits() { feed(creditBatch.drain()) }

    /// Pulls messages from the generator for credits that the lane holds, and processes them. Releases the credits that
    /// are not needed.
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

    /// Waits for a credit from the pool, in addition to those that the lane gets back.
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
        // Under load, reading clocks and counting would cost more than short stages: only every sixteenth message of a
        // batch is timed, and counts are flushed then.
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

    /// Postpones a message for which a stage failed with a transient error, or fails it when its retries have taken too
    /// long.
    private func postpone(_ receipt: Receipt, _ attempts: Int, _ reason: String, _ retryAfter: Duration?) {
        let now = clock.now()
        // Running a stage again is cheap, so the delay is short.
        let pause = max(
            min(retry.pause(after: attempts, retryAfter: nil, jitter: .random(in: 0...1)), .seconds(1)),
            retryAfter ?? .zero)
        if let limit = retry.maxElapsed, now + pause - receipt.acceptedAt > limit {
            return receipt.settle(.failed(reason: reason, retryAfter: retryAfter), creditBatch)
        }
        postponed.append(Postponed(receipt: receipt, attempts: attempts, due: now + pause))
    }

    /// Processes the postponed messages that are due.
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
            // Starts on this thread: most sinks hand the messages on without waiting, so another thread would be woken
            // for nothing.
            Task.immediate { [self] in written(batch, await sink.write(messages), since: started, isProbe) }
        }
    }

    /// Handles the sink's answer. Thread-safe.
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
                ? outcomes[index] : .transient(reason: "the sink returned no outcome for this message", retryAfter: nil)
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
        // A failed probe does not change the state that was reported.
        if state == .closed || !isProbe { recentErrors.breakerDidChange(to: state, at: sinkName) }
        if state == .closed { wakeAll() }
    }

    /// Releases a slot of the window. The lane itself needs no wake-up: it writes before it stops.
    private func release() {
        guard let waiting = window.release() else { return }
        if waiting == index { mustWakeNext = true } else { wakeLane(waiting) }
    }

    /// Schedules the timer that wakes the lane for the next retry.
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
