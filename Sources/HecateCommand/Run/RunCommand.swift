import Arguments
import HTTP
import Telemetry
import Operations
import PipelineFile
import PipelineKit

/// `hecate run`: runs pipelines until they end or a signal arrives.
struct RunCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run pipelines until they end, or SIGTERM.",
        discussion: """
            SIGTERM or SIGINT: nothing more is taken, what is inside ends, and the process with it. A second signal ends it at once.
            SIGHUP: the files are read again. Where they are good, the pipelines are replaced, and no connection is refused meanwhile;
            where they are not, the log says why, and everything goes on as it was.
            """)

    @OptionGroup var files: PipelineArguments

    @Flag(help: "Receive and transform messages, but print what would be written instead of writing it.")
    var dryRun = false

    @OptionGroup var log: LogOptions

    func run() async throws {
        let logger = log.bootstrap()
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        let tap = Tap()
        let dryRunSink = dryRun ? DryRunSink() : nil
        let loaded = try LoadedPipelines(files, logger: logger, dryRunSink: dryRunSink, tap: tap)
        let supervisor = Supervisor(loaded, files: files, dryRunSink: dryRunSink, tap: tap, logger: logger)
        let tapServer = TapServer(tap, pipelines: loaded.pipelines.map(\.name), logger: logger)
        // Finite pipelines are awaited; endless ones are not.
        let isFinite = loaded.files.allSatisfy { !$0.pipeline.isReplaceable }
        let progress = isFinite ? Progress("messages", done: { supervisor.ended }) : nil
        defer { progress?.end() }
        let status = StatusReport(supervisor, registry: registry, lists: loaded.files.flatMap(\.operations.lists))
        let operations = try operations(loaded.files, registry, logger, supervisor, status)
        let signals = ProcessSignals(
            logger: logger, reload: { await supervisor.reload() }, stop: { await supervisor.stop() })
        defer { signals.cancel() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await operations.run() }
            group.addTask { await tapServer.run() }
            let isShown = loaded.files.contains { $0.operations.health != nil }
            let statusTask = Task { if isShown { await status.run() } }
            let starting = Task { await Self.waitUntilStarted(supervisor) }
            group.addTask {
                let succeeded = await supervisor.run()
                starting.cancel()
                statusTask.cancel()
                await statusTask.value
                await operations.stop()
                await tapServer.stop()
                guard succeeded else { throw ExitCode.failure }
            }
            do {
                // Not `waitForAll`, which throws only when all have ended.
                for try await _ in group {}
            } catch {
                if !(error is ExitCode) { logger.critical("\(error)") }
                await supervisor.stop()
                await operations.stop()
                await tapServer.stop()
                throw ExitCode.failure
            }
        }
    }

    /// Waits until all pipelines are ready, at most half a minute, and unmaps pages that only the start needed.
    private static func waitUntilStarted(_ supervisor: Supervisor) async {
        for _ in 0..<60 {
            let isReady = supervisor.readiness.allSatisfy { if case .notReady = $0.readiness { false } else { true } }
            guard !Task.isCancelled else { return }
            try? await Task.sleep(for: .milliseconds(500))
            if isReady { break }
        }
        if !Task.isCancelled { StartupPages.release() }
    }

    private func operations(
        _ files: [PipelineFile], _ registry: PrometheusRegistry, _ logger: Logger, _ supervisor: Supervisor,
        _ status: StatusReport
    ) throws -> OperationsServer {
        OperationsServer(
            metrics: Set(try files.compactMap { try address($0.operations.metrics, in: $0) }),
            health: Set(try files.compactMap { try address($0.operations.health, in: $0) }),
            registry: registry, logger: logger, readiness: { supervisor.readiness },
            status: { status.json(withHistory: $0) })
    }

    private func address(_ text: String?, in file: PipelineFile) throws -> ListenAddress? {
        guard let text else { return nil }
        guard let address = ListenAddress(text) else {
            Console.error(
                "\(file.path): error: operations: '\(text)' is no address to listen on; write it like \":6701\" or \"127.0.0.1:6701\""
            )
            throw ExitCode.badConfiguration
        }
        return address
    }
}
