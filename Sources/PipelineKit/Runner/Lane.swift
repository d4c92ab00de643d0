import Dispatch
import Locking
import Wire

/// One of a pipeline's serial queues. It runs the stages on the messages whose keys fall to it and drives their delivery,
/// so that messages of one key stay in order without a lock. What arrives is taken in batches: one wake-up, many
/// messages. Its queue runs on the threads that all of Dispatch shares: with threads of their own lanes would be more than there are
/// processors.
///
/// `@unchecked Sendable`, because a serial queue guards what changes: `delivery`, `series`, `events`, `position`, `isCalled`, `till`,
/// `notes`, `run`, `postponed` and `timerDue` are touched only by what `drain`, `finish`, `abandon` and the timer run on `queue`. What
/// other threads call (`accept`, `pull`, `wake`) touches `inbox`, which has a lock. Everything else is constant and `Sendable`.
final class Lane: @unchecked Sendable {
    private enum Event {
        case accepted(Receipt)
        case written([Delivery.Entry], [WriteOutcome], taking: Int64, isProbe: Bool)
        case series(Series)
        /// There is a credit for the series; or there will be none any more.
        case credit(Bool)
        case wake
    }

    /// Messages that the lane makes itself.
    private struct Series {
        let messages: MessageSeries
        let end: Receipt.End
        let ended: @Sendable () -> Void
    }

    /// After how many messages, at most, the sink gets what is ready and credits are given back; and how many a series is asked for
    /// at once.
    static let stretch = 64

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
    private static let turn: Int64 = 2_000_000
    private static let longestTurn = 1000

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
    private let troubles: RecentTroubles
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
    private let gate: Gate
    /// The credits of what has ended and was not given back yet.
    private let till: CreditTill

    private var delivery: Delivery
    private var series: Series?
    /// What was taken from the inbox, and how much of it is handled.
    private var events: [Event] = []
    private var position = 0
    /// Whether the lane was called because it may write, and has not looked yet whether others may too.
    private var isCalled = false
    private var notes: StageChain.Notes
    /// How many messages were run since the lane's turn began.
    private var run = 0
    private var postponed: [Postponed] = []
    private var timerDue: Duration?

    init(
        index: Int, pipeline: String, chain: StageChain, sink: any Sink, sinkName: String, retry: RetryPolicy,
        gate: Gate, window: InFlightWindow, breaker: CircuitBreaker, tap: PipelineTap?, troubles: RecentTroubles,
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
        self.troubles = troubles
        sinkBatch = max(1, sink.capabilities.batch)
        self.gate = gate
        till = CreditTill()
        delivery = Delivery(sinkName: sinkName, isUpsert: sink.capabilities.isUpsert, retry: retry, till: till)
        notes = chain.makeNotes()
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
    func pull(_ series: MessageSeries, _ end: @escaping Receipt.End) async {
        await withCheckedContinuation { continuation in
            post(.series(Series(messages: series, end: end) { continuation.resume() }))
        }
    }

    /// Looks whether there is something to write. From any thread.
    func wake() { post(.wake) }

    /// Returns when all that the lane counted has been told. From any thread.
    func finish() async {
        await withCheckedContinuation { continuation in
            queue.async {
                self.chain.tell(&self.notes)
                continuation.resume()
            }
        }
    }

    /// Settles everything that has not ended as failed. From any thread; done when this returns.
    func abandon(reason: String) {
        queue.sync {
            repeat { handleEvents(until: .max) } while position < events.count || takeEvents(resting: false)
            for waiting in postponed { waiting.receipt.settle(.failed(reason: reason, retryAfter: nil)) }
            postponed = []
            delivery.abandon(reason: reason)
            endSeries()
            giveCreditsBack()
            if let waiting = window.passOn() { wakeLane(waiting) }
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
        run = 0
        let end = clock.nanoseconds() + Self.turn
        var hasMore = true
        for _ in 0..<Self.longestTurn {
            if position == events.count, !takeEvents(resting: till.isEmpty), till.isEmpty {
                hasMore = false
                break
            }
            work(until: end)
            if clock.nanoseconds() > end { break }
        }
        chain.tell(&notes)
        armTimer()
        metrics.inFlight(window.used)
        if hasMore { DispatchQueue.global().async { [self] in queue.async { self.drain() } } }
    }

    private func work(until end: Int64) {
        handleEvents(until: end)
        processPostponed()
        write()
        giveCreditsBack()
        // What came of that is written too.
        write()
        if isCalled {
            isCalled = false
            if let waiting = window.passOn() { wakeLane(waiting) }
        }
    }

    /// Takes what has arrived, when all that was taken before is handled.
    ///
    /// - Parameter resting: whether the lane ends its work where nothing has; it is called for what comes then.
    /// - Returns: whether anything has arrived.
    private func takeEvents(resting: Bool) -> Bool {
        position = 0
        // Filled again and again, so that it grows once.
        events.removeAll(keepingCapacity: events.count <= 4 * Self.stretch)
        return inbox.withLock { inbox in
            if inbox.events.isEmpty {
                if resting { inbox.isScheduled = false }
                return false
            }
            swap(&inbox.events, &events)
            return true
        }
    }

    /// Handles what was taken in its order: no more at once than the sink, and who waits for a credit, should wait for.
    private func handleEvents(until end: Int64) {
        dispatchPrecondition(condition: .onQueue(queue))
        let stop = min(position + Self.stretch, events.count)
        while position < stop {
            let event = events[position]
            position += 1
            switch event {
            case .accepted(let receipt): process(receipt)
            case .written(let entries, let outcomes, let nanoseconds, let isProbe):
                metrics.wrote(outcomes, taking: nanoseconds)
                complete(entries, outcomes, isProbe)
            case .series(let series):
                self.series = series
                waitForCredit()
            case .credit(true):
                feed(1 + gate.tryEnter(atMost: Self.stretch - 1))
                waitForCredit()
            case .credit(false): endSeries()
            case .wake: isCalled = true
            }
            // Stages may take their time.
            if position % 16 == 0, clock.nanoseconds() > end { break }
        }
    }

    // MARK: - Credits

    /// Gives back the credits of what has ended: to the lane's own series first.
    private func giveCreditsBack() { feed(till.empty()) }

    /// Has messages of the series made for credits that the lane holds, and runs them; what is not needed goes to the gate.
    private func feed(_ credits: Int) {
        guard credits > 0 else { return }
        guard let series else { return gate.leave(credits) }
        let messages = series.messages.next(credits)
        let now = clock.now()
        for message in messages ?? [] {
            process(Receipt(message, acceptedAt: now, settled: series.messages.settled, end: series.end))
        }
        if messages == nil { endSeries() }
        gate.leave(credits - (messages?.count ?? 0))
    }

    /// Waits in line for a credit beside those that come back to the lane by themselves.
    private func waitForCredit() {
        guard series != nil else { return }
        gate.enter { [self] in post(.credit($0)) }
    }

    private func endSeries() {
        series?.ended()
        series = nil
    }

    // MARK: - Messages

    private func process(_ receipt: Receipt, attempts: Int = 0) {
        // Under load the clocks and counters would cost more than short stages do: of many messages at once, every sixteenth is
        // timed, and what is counted is told then.
        notes.isTimed = run % 16 == 0
        run += 1
        let outcome = chain.run(receipt.message, notes: &notes)
        if notes.isTimed { chain.tell(&notes) }
        defer { if !notes.watches.isEmpty { notes.watches = [] } }
        if case .failed(let stage, let reason, let retryAfter) = outcome {
            troubles.note("failed", at: stage, reason)
            return postpone(receipt, attempts + 1, "\(stage): \(reason)", retryAfter)
        }
        for watch in notes.watches { receipt.observe { watch.filter.ended(watch.message, $0) } }
        switch outcome {
        case .ended(let settlement):
            if case .refused(let stage, let reason, _) = settlement { troubles.note("refused", at: stage, reason) }
            receipt.settle(settlement, till)
        case .passed(let messages):
            if messages.count > 1 { receipt.split(into: messages.count) }
            deliver(messages, receipt)
        case .diverted(let message, let exit): exit.take(message) { receipt.settle($0) }
        case .parts(let parts):
            receipt.split(into: parts.passed.count + parts.diverted.count + parts.ended.count)
            deliver(parts.passed, receipt)
            for (message, exit) in parts.diverted { exit.take(message) { receipt.settle($0) } }
            for settlement in parts.ended { receipt.settle(settlement, till) }
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
            return receipt.settle(.failed(reason: reason, retryAfter: retryAfter), till)
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
            let batch = window.acquire(lane: index) ? delivery.take(atMost: isProbe ? 1 : sinkBatch, now: now()) : nil
            guard let batch, !batch.isEmpty else {
                if isProbe { breaker.giveBackProbe(now: clock.now()) }
                guard batch != nil else { return }
                release()
                continue
            }
            if isProbe { metrics.breaker(breaker.state) }
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
        post(.written(batch, outcomes, taking: clock.nanoseconds() - started, isProbe: isProbe))
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
            if let tap, tap.isActive { tap.note(outcome, of: entry.message, at: sinkName) }
            switch outcome {
            case .transient(let reason, _), .permanent(let reason):
                troubles.note(outcome.name, at: sinkName, reason)
            case .delivered, .expired, .superseded: break
            }
            if delivery.complete(entry.message.key, outcome, now: now, jitter: .random(in: 0...1)) { metrics.retried() }
            let succeeded = if case .transient = outcome { false } else { true }
            if succeeded, entry.attempts == 0, !isProbe {
                successes += 1
            } else {
                breaker.recordSuccesses(successes, now: now)
                successes = 0
                tellBreaker(succeeded, entry, isProbe, now)
            }
        }
        breaker.recordSuccesses(successes, now: now)
    }

    private func tellBreaker(_ succeeded: Bool, _ entry: Delivery.Entry, _ isProbe: Bool, _ now: Duration) {
        let hasChanged = breaker.record(
            succeeded: succeeded, isFirstTry: entry.attempts == 0, isProbe: isProbe, now: now)
        guard hasChanged else { return }
        let state = breaker.state
        metrics.breaker(state)
        // A probe that fails leaves everything as it was.
        if state == .closed || !isProbe { troubles.breakerChanged(to: state, at: sinkName) }
        if state == .closed { wakeAll() }
    }

    /// Gives back a place in the window. The lane itself need not be called: it looks for something to write before it rests.
    private func release() {
        guard let waiting = window.release() else { return }
        if waiting == index { isCalled = true } else { wakeLane(waiting) }
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
