import HTTP
import Telemetry
import PipelineFile
import PipelineKit
import Locking

/// Runs pipelines side by side, replaces them by others while clients go on, and stops them. May be used from any thread.
final class Supervisor: Sendable {
    private struct State {
        var current: LoadedPipelines
        var next: LoadedPipelines?
        var isStopping = false
    }

    /// How long what is inside may take to end when pipelines are replaced: clients wait for as long.
    private static let replacementGrace = Duration.seconds(5)
    /// How long a listener waits for its next user.
    private static let handoverTimeout = Duration.seconds(15)

    private let files: PipelineArguments
    /// Kept, because signals arrive outside the task that knows it.
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

    /// The pipelines that run.
    var current: LoadedPipelines { state.withLock { $0.current } }

    /// Whether each pipeline can do its work now.
    var readiness: [(pipeline: String, readiness: Readiness)] {
        state.withLock { $0.current.pipelines }.map { ($0.name, $0.readiness) }
    }

    /// How many messages have ended so far, in whichever way.
    var ended: Int {
        state.withLock { $0.current.pipelines }.reduce(0) { $0 + $1.counts.values.reduce(0, +) }
    }

    /// Runs until all have ended, and none takes their place.
    ///
    /// - Returns: whether all went well.
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

    /// Stops all in order.
    func stop() async {
        let pipelines = state.withLock { state in
            state.isStopping = true
            return state.current.pipelines
        }
        for pipeline in pipelines { await pipeline.stop() }
    }

    /// Reads the files again, and replaces the pipelines where they are good.
    func reload() async {
        let (loaded, report) = LoadedPipelines.load(
            files, registry: registry, logger: logger, dryRunSink: dryRunSink, tap: tap)
        guard let loaded else {
            logger.error(
                "the files are not good; everything goes on as it was",
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
                "not replaced: a source that is read once, such as a file, would be read again, or the pipelines are being replaced or stopped"
            )
            return
        }
        logger.notice("the files are good; the pipelines are replaced")
        ListenerPool.shared.beginHandover()
        await withTaskGroup(of: Void.self) { group in
            for pipeline in running { group.addTask { await pipeline.stop(within: Self.replacementGrace) } }
        }
    }

    /// Waits until the new pipelines have taken over the listeners, and closes what they have not.
    private func completeHandover() async {
        let deadline = ContinuousClock.now + Self.handoverTimeout
        while ListenerPool.shared.hasUnclaimedPaths, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(20))
        }
        await ListenerPool.shared.endHandover()
    }

    /// Runs pipelines side by side. When one fails, the others are stopped in order too.
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
