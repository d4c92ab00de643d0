import HTTP
import Telemetry
import PipelineFile
import PipelineKit
import Locking

/// Runs pipelines concurrently, replaces them without disconnecting clients, and stops them. Thread-safe.
final class Supervisor: Sendable {
    private struct State {
        var current: LoadedPipelines
        var next: LoadedPipelines?
        var isStopping = false
    }

    /// How long draining may take when pipelines are replaced, during which clients wait.
    private static let replacementGrace = Duration.seconds(5)
    /// How long a listener waits for its next pipeline.
    private static let handoverTimeout = Duration.seconds(15)

    private let files: PipelineArguments
    /// Stored, because signals arrive outside the task that has the task-local value.
    private let registry = HecateCommand.registry
    private let dryRunSink: (any Sink)?
    private let tap: Tap
    private let logger: Logger
    private let state: Mutex<State>

    init(_ loaded: LoadedPipelines, files: PipelineArguments, dryRunSink: (any Sink)?, tap: Tap, logger: Logger) {
        self.files = files
        self.tap = tap
        self.dryRunSink = dryRunSink
        self.logger = logger
        state = Mutex(State(current: loaded))
    }

    /// The running pipelines.
    var current: LoadedPipelines { state.withLock { $0.current } }

    /// The readiness of each pipeline.
    var readiness: [(pipeline: String, readiness: Readiness)] {
        state.withLock { $0.current.pipelines }.map { ($0.name, $0.readiness) }
    }

    /// The number of messages that have ended.
    var ended: Int {
        state.withLock { $0.current.pipelines }.reduce(0) { $0 + $1.counts.values.reduce(0, +) }
    }

    /// Runs until all pipelines have ended and are not replaced.
    ///
    /// - Returns: whether all succeeded.
    func run() async -> Bool {
        while true {
            let succeeded = await runSideBySide(state.withLock { $0.current.pipelines })
            let next: LoadedPipelines? = state.withLock { state in
                guard !state.isStopping, let next = state.next else { return nil }
                (state.current, state.next) = (next, nil)
                return next
            }
            guard next != nil else {
                await ListenerPool.shared.endHandover()
                return succeeded
            }
            Task { await completeHandover() }
        }
    }

    /// Stops all pipelines in order.
    func stop() async {
        let pipelines = state.withLock { state in
            state.isStopping = true
            return state.current.pipelines
        }
        for pipeline in pipelines { await pipeline.stop() }
    }

    /// Reads the files again, and replaces the pipelines if they are valid.
    func reload() async {
        let (loaded, report) = LoadedPipelines.load(
            files, registry: registry, logger: logger, dryRunSink: dryRunSink, tap: tap)
        guard let loaded else {
            logger.error(
                "the files have errors; the pipelines are not replaced",
                metadata: ["mistakes": "\n\(report.description)"])
            return
        }
        for pipeline in loaded.pipelines {
            do {
                try await pipeline.prepare()
            } catch {
                logger.error(
                    "a pipeline could not run as it is now; everything goes on as it was",
                    metadata: ["pipeline": "\(pipeline.name)", "reason": "\(error)"])
                return
            }
        }
        let running: [Pipeline]? = state.withLock { state in
            guard !state.isStopping, state.next == nil else { return nil }
            let all = state.current.files + loaded.files
            guard all.allSatisfy(\.pipeline.isReplaceable) else { return nil }
            state.next = loaded
            return state.current.pipelines
        }
        guard let running else {
            logger.warning(
                "the pipelines are not replaced: a source such as a file would be read again, or they are being replaced or stopped already"
            )
            return
        }
        logger.notice("the files are valid; replacing the pipelines")
        ListenerPool.shared.beginHandover()
        await withTaskGroup(of: Void.self) { group in
            for pipeline in running { group.addTask { await pipeline.stop(within: Self.replacementGrace) } }
        }
    }

    /// Waits until the new pipelines have taken over the listeners, and closes the unclaimed ones.
    private func completeHandover() async {
        let deadline = ContinuousClock.now + Self.handoverTimeout
        while ListenerPool.shared.hasUnclaimedPaths, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(20))
        }
        await ListenerPool.shared.endHandover()
    }

    /// Runs pipelines concurrently. If one fails, the others are stopped in order.
    private func runSideBySide(_ pipelines: [Pipeline]) async -> Bool {
        await withTaskGroup(of: Bool.self) { [logger] group in
            for pipeline in pipelines {
                group.addTask {
                    do {
                        try await pipeline.run()
                        return true
                    } catch {
                        logger.critical("the pipeline has ended: \(error)", metadata: ["pipeline": "\(pipeline.name)"])
                        return false
                    }
                }
            }
            var allSucceeded = true
            for await succeeded in group where !succeeded {
                allSucceeded = false
                for pipeline in pipelines { await pipeline.stop() }
            }
            return allSucceeded
        }
    }
}
