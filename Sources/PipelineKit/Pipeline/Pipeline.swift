import Locking
import Telemetry
import Wire

/// A running pipeline: a source, lanes and a sink. `run` is called once. All other methods are thread-safe.
public final class Pipeline: Sendable {
    private enum Phase: Equatable { case idle, opening, running, stopping }

    public let name: String
    private let source: any Source
    private let sink: any Sink
    private let divertedOutputs: [DivertedOutput]
    private let settings: RunnerSettings
    private let logger: Logger
    private let creditPool: CreditPool
    private let lanes: [Lane]
    private let intake: Intake
    private let metrics: PipelineMetrics
    private let breaker: CircuitBreaker
    private let errorLog: RecentErrors
    private let deadLetters: (any DeadLetterStore)?
    private let spool: (any MessageSpool)?
    private let feeder: SpoolFeeder?
    private let phase = Mutex(Phase.idle)

    init(
        name: String, source: any Source, steps: [StageChain.Step], sink: any Sink, sinkName: String,
        settings: RunnerSettings, logger: Logger, metrics factory: any MetricsFactory,
        now: @escaping @Sendable () -> Timestamp, clock: MonotonicClock = .system,
        durability: Durability = Durability(), tap: Tap? = nil
    ) {
        self.name = name
        self.source = source
        self.sink = sink
        divertedOutputs = steps.compactMap(\.otherwise)
        self.settings = settings
        var logger = logger
        logger[metadataKey: "pipeline"] = "\(name)"
        self.logger = logger
        let creditPool = CreditPool(capacity: settings.capacity)
        self.creditPool = creditPool
        let metrics = PipelineMetrics(pipeline: name, sink: sinkName, factory: factory) { creditPool.used }
        self.metrics = metrics
        let chain = StageChain(
            steps, metrics: steps.map { StageMetrics(pipeline: name, stage: $0.name, factory: factory) }, clock: clock,
            now: now)
        let window = InFlightWindow(size: sink.capabilities.inFlight)
        let breaker = CircuitBreaker(settings.breaker)
        self.breaker = breaker
        let recentErrors = RecentErrors(logger: self.logger, now: now)
        errorLog = recentErrors
        let laneRegistry = LaneRegistry()
        let lanes = (0..<max(1, settings.lanes)).map { index in
            let tap = tap.map { PipelineTap($0, pipeline: name) }
            return Lane(
                index: index, pipeline: name, chain: chain.forLane(tap: tap), sink: sink, sinkName: sinkName,
                retry: settings.retry, creditPool: creditPool, window: window, breaker: breaker, tap: tap,
                recentErrors: recentErrors,
                metrics: metrics, clock: clock, now: now,
                wakeLane: { laneRegistry.wake($0) }, wakeAll: { laneRegistry.wakeAll() })
        }
        laneRegistry.register(lanes)
        self.lanes = lanes
        deadLetters = durability.deadLetters
        spool = durability.spool
        let deadLetterRouter = DeadLetterRouter(
            pipeline: name, store: durability.deadLetters, logger: self.logger, now: now)
        let submitTimeouts = SubmitTimeouts(pipeline: name, clock: clock)
        func makeIntake(_ spoolIntake: SpoolIntake?) -> Intake {
            Intake(
                creditPool: creditPool, lanes: lanes, submitTimeouts: submitTimeouts, metrics: metrics,
                clock: clock,
                deadLetterRouter: deadLetterRouter, spool: spoolIntake)
        }
        guard let spool = durability.spool else {
            intake = makeIntake(nil)
            feeder = nil
            return
        }
        let dispatcher = SpoolDispatcher(spool: spool, intake: makeIntake(nil), maxAge: durability.maxAge, now: now)
        let feeder = SpoolFeeder(spool: spool, creditPool: creditPool, logger: logger) { dispatcher.dispatch($0) }
        self.feeder = feeder
        intake = makeIntake(SpoolIntake(spool: spool, feeder: feeder, metrics: metrics, recentErrors: recentErrors))
    }

    /// The number of messages by the name of their settlement (`delivered`, `filtered`, ...).
    public var counts: [String: Int] { metrics.counts }

    /// How many messages are in the pipeline, and how many are allowed.
    public var occupancy: (count: Int, capacity: Int) { (creditPool.used, settings.capacity) }

    /// The recent errors, latest first. Reasons hold no secrets, but may hold URLs of webhooks.
    public var recentErrors: [RecentError] { errorLog.all }

    /// Whether the pipeline receives messages.
    public var readiness: Readiness {
        switch phase.withLock({ $0 }) {
        case .idle, .opening: .notReady("the sink is not open yet")
        case .running:
            breaker.state == .closed ? source.readiness : readinessWithOpenBreaker
        case .stopping: .notReady("shutting down")
        }
    }

    /// With a spool messages are accepted whatever the sink does. Without one they would only be sent back.
    private var readinessWithOpenBreaker: Readiness {
        let reason = "the sink fails: its circuit breaker is \(breaker.state == .open ? "open" : "half-open")"
        guard spool != nil else { return .notReady(reason) }
        if case .notReady = source.readiness { return source.readiness }
        return .degraded(reason)
    }

    /// Checks what `run` needs without changing anything. Called before this pipeline replaces a running one.
    ///
    /// - Throws: the error that would make `run` fail.
    public func prepare() async throws {
        try await source.prepare()
        try await spool?.prepare()
        try await deadLetters?.prepare()
    }

    /// Opens the sink, runs the source to its end, waits for the messages in the pipeline, and closes the sink.
    ///
    /// - Throws: the error that ended the source early.
    public func run() async throws {
        guard advance(to: .opening) else { return }
        try await deadLetters?.open()
        let newest = try await spool?.open() ?? 0
        guard await openSinks(), advance(to: .running) else {
            await closeSinks()
            await closeStores()
            return
        }
        logger.info("running", metadata: ["lanes": "\(lanes.count)"])
        feeder?.start(newest: newest)
        let result: Result<Void, any Error>
        do {
            try await source.run(into: intake)
            await feeder?.waitUntilDrained()
            result = .success(())
        } catch {
            result = .failure(error)
            await stop()
        }
        await creditPool.waitUntilEmpty()
        for lane in lanes { await lane.finish() }
        feeder?.close()
        creditPool.close()
        await closeSinks()
        await closeStores()
        let summary = counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        logger.info("ended", metadata: ["messages": "\(summary.isEmpty ? "none" : summary)"])
        try result.get()
    }

    /// Stops the source and drains the pipeline within the grace period. Messages that have not ended by then fail.
    /// Returns when the source has stopped; `run` returns when everything has ended.
    ///
    /// - Parameter grace: a shorter grace period than the pipeline's.
    public func stop(within grace: Duration? = nil) async {
        guard advance(to: .stopping) else { return }
        logger.info("stopping", metadata: ["inside": "\(creditPool.used)"])
        let grace = min(grace ?? settings.shutdownGrace, settings.shutdownGrace)
        Task {
            try? await Task.sleep(for: grace)
            abandon()
        }
        feeder?.close()
        await source.stop()
    }

    private func closeStores() async {
        await spool?.close()
        await deadLetters?.close()
    }

    /// Settles all messages in the pipeline as failed, at once.
    public func abandon() {
        let unfinished = creditPool.used
        creditPool.close()
        if unfinished > 0 {
            logger.warning(
                "the grace period has passed: the remaining messages fail and have to be sent again",
                metadata: ["inside": "\(unfinished)"])
        }
        for lane in lanes { lane.abandon(reason: "the pipeline is shutting down") }
        for output in divertedOutputs { output.abandon(reason: "the pipeline is shutting down") }
    }

    /// Advances to a later phase. Returns false if the pipeline was stopped before.
    private func advance(to next: Phase) -> Bool {
        phase.withLock { phase in
            guard phase != .stopping else { return false }
            phase = next
            return true
        }
    }

    private func openSinks() async -> Bool {
        for sink in divertedOutputs.map(\.sink) + [sink] where await !open(sink) { return false }
        return true
    }

    private func closeSinks() async {
        for sink in divertedOutputs.map(\.sink) + [sink] { await sink.close() }
    }

    /// Opens a sink and retries with backoff. Returns false if the pipeline was stopped before.
    private func open(_ sink: any Sink) async -> Bool {
        var attempts = 0
        while phase.withLock({ $0 != .stopping }) {
            do {
                try await sink.open()
                return true
            } catch {
                attempts += 1
                let pause = max(
                    .milliseconds(50),
                    settings.retry.pause(after: attempts, retryAfter: nil, jitter: .random(in: 0...1)))
                logger.error("the sink cannot be opened; retrying", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: pause)
            }
        }
        return false
    }
}

/// The lanes of a pipeline, for the lanes themselves.
///
/// `@unchecked Sendable`: set once by the pipeline's initializer, before any lane works, and only read from then on.
/// All lanes would contend for a lock.
private final class LaneRegistry: @unchecked Sendable {
    private struct WeakLane { weak let lane: Lane? }
    private var lanes: [WeakLane] = []

    func register(_ lanes: [Lane]) { self.lanes = lanes.map { WeakLane(lane: $0) } }
    func wake(_ index: Int) { lanes[index].lane?.wake() }
    func wakeAll() { for lane in lanes { lane.lane?.wake() } }
}
