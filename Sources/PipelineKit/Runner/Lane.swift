import Dispatch
import Locking
import Wire

/// One of a pipeline's serial queues. It runs the stages on the messages whose keys fall to it and drives their delivery,
/// so that messages of one key stay in order without a lock. What arrives is taken in batches: one wake-up, many
/// messages.
///
/// `@unchecked Sendable`: `delivery` and `timerDue` are touched on `queue` only, which each method that
/// touches them asserts; everything else is immutable or guards itself.
final class Lane: @unchecked Sendable {
    private enum Event {
        case accepted(Message, Receipt, at: Duration)
        case written([Delivery.Entry], [WriteOutcome], isProbe: Bool)
        case wake
    }

    private struct Inbox {
        var events: [Event] = []
        var isScheduled = false
    }

    private let index: Int
    private let queue: DispatchQueue
    private let inbox = Mutex(Inbox())
    private let chain: StageChain
    private let sink: any Sink
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

    private var delivery: Delivery
    private var timerDue: Duration?

    init(
        index: Int, pipeline: String, chain: StageChain, sink: any Sink, delivery: Delivery, window: InFlightWindow,
        breaker: CircuitBreaker,
        metrics: PipelineMetrics, clock: MonotonicClock, now: @escaping @Sendable () -> Timestamp,
        wakeLane: @escaping @Sendable (Int) -> Void, wakeAll: @escaping @Sendable () -> Void
    ) {
        self.index = index
        queue = DispatchQueue(label: "hecate.\(pipeline).lane-\(index)")
        self.chain = chain
        self.sink = sink
        sinkBatch = max(1, sink.capabilities.batch)
        self.delivery = delivery
        self.window = window
        self.breaker = breaker
        self.metrics = metrics
        self.clock = clock
        self.now = now
        self.wakeLane = wakeLane
        self.wakeAll = wakeAll
    }

    /// Takes a message. From any thread.
    func accept(_ message: Message, _ receipt: Receipt) { post(.accepted(message, receipt, at: clock.now())) }

    /// Looks whether there is something to write. From any thread.
    func wake() { post(.wake) }

    /// Settles everything that has not ended as failed. From any thread; done when this returns.
    func abandon(reason: String) {
        queue.sync {
            handleEvents()
            delivery.abandon(reason: reason)
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

    private func drain() {
        handleEvents()
        write()
        armTimer()
        metrics.inFlight(window.used)
    }

    /// Handles what has arrived, in its order.
    private func handleEvents() {
        dispatchPrecondition(condition: .onQueue(queue))
        let events = inbox.withLock { inbox in
            inbox.isScheduled = false
            let events = inbox.events
            inbox.events = []
            return events
        }
        for event in events {
            switch event {
            case .accepted(let message, let receipt, let acceptedAt): process(message, receipt, acceptedAt)
            case .written(let entries, let outcomes, let isProbe): complete(entries, outcomes, isProbe)
            case .wake: break
            }
        }
    }

    private func process(_ message: Message, _ receipt: Receipt, _ acceptedAt: Duration) {
        switch chain.run(message) {
        case .ended(let settlement): receipt.settle(settlement)
        case .passed(let messages):
            if messages.count > 1 { receipt.split(into: messages.count) }
            for message in messages {
                delivery.enqueue(.init(message: message, receipt: receipt, acceptedAt: acceptedAt))
            }
        }
    }

    private func write() {
        dispatchPrecondition(condition: .onQueue(queue))
        while delivery.hasReady {
            let permission = breaker.permission(now: clock.now())
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
            let started = clock.now()
            Task { [self] in
                let outcomes = await sink.write(batch.map(\.message))
                metrics.wrote(batch.count, outcomes, taking: clock.now() - started)
                post(.written(batch, outcomes, isProbe: isProbe))
            }
        }
    }

    private func complete(_ entries: [Delivery.Entry], _ outcomes: [WriteOutcome], _ isProbe: Bool) {
        dispatchPrecondition(condition: .onQueue(queue))
        release()
        let now = clock.now()
        for (index, entry) in entries.enumerated() {
            let outcome =
                index < outcomes.count
                ? outcomes[index] : .transient(reason: "the sink gave no answer for this message", retryAfter: nil)
            if delivery.complete(entry.message.key, outcome, now: now, jitter: .random(in: 0...1)) { metrics.retried() }
            tellBreaker(outcome, entry, isProbe, now)
        }
    }

    private func tellBreaker(_ outcome: WriteOutcome, _ entry: Delivery.Entry, _ isProbe: Bool, _ now: Duration) {
        let succeeded = if case .transient = outcome { false } else { true }
        let hasChanged = breaker.record(
            succeeded: succeeded, isFirstTry: entry.attempts == 0, isProbe: isProbe, now: now)
        guard hasChanged else { return }
        metrics.breaker(breaker.state)
        if breaker.state == .closed { wakeAll() }
    }

    private func release() {
        if let waiting = window.release() { wakeLane(waiting) }
    }

    /// Sees to it that the lane is woken when the next retry is due.
    private func armTimer() {
        if let due = delivery.nextRetry { wake(at: due) }
    }

    private func wake(at due: Duration) {
        if let timerDue, timerDue <= due { return }
        timerDue = due
        let pause = max(.zero, due - clock.now())
        queue.asyncAfter(deadline: .now() + pause.inSeconds) { [self] in
            timerDue = nil
            delivery.wake(now: clock.now())
            drain()
        }
    }
}
