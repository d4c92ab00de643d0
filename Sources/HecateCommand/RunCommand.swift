import ArgumentParser
import HTTPService
import Logging
import Metrics
import Operations
import PipelineFile
import PipelineKit

/// `hecate run`: runs pipelines until they end or are told to.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run pipelines until they end, or SIGTERM.",
        discussion: """
            SIGTERM or SIGINT: nothing more is taken, what is inside ends, and the process with it. A second signal ends it at once.
            """)

    @Argument(help: ArgumentHelp("Pipeline files.", valueName: "file"))
    var files: [String]

    @Flag(help: "Take and transform messages, but print what would be written instead of writing it.")
    var dryRun = false

    @OptionGroup var log: LogOptions

    func run() async throws {
        let logger = log.bootstrap()
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        let loaded = try LoadedPipelines(files, logger: logger, dryRunSink: dryRun ? DryRunSink() : nil)
        let pipelines = loaded.pipelines
        let operations = try operations(loaded.files, registry, logger, pipelines)
        let signals = StopSignals(logger: logger) {
            for pipeline in pipelines { await pipeline.stop() }
        }
        defer { signals.cancel() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await operations.run() }
            group.addTask {
                defer { Task { await operations.stop() } }
                try await Self.runAll(pipelines, logger)
            }
            do {
                // Not `waitForAll`, which would wait for the others before it tells of the first that failed.
                for try await _ in group {}
            } catch {
                if !(error is ExitCode) { logger.critical("\(error)") }
                for pipeline in pipelines { await pipeline.stop() }
                await operations.stop()
                throw ExitCode.failure
            }
        }
    }

    /// Runs pipelines side by side. When one fails, the others are stopped in order too.
    private static func runAll(_ pipelines: [Pipeline], _ logger: Logger) async throws {
        let allSucceeded = await withTaskGroup(of: Bool.self) { group in
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
        guard allSucceeded else { throw ExitCode.failure }
    }

    private func operations(
        _ files: [PipelineFile], _ registry: PrometheusRegistry, _ logger: Logger, _ pipelines: [Pipeline]
    ) throws -> OperationsServer {
        OperationsServer(
            metrics: Set(try files.compactMap { try address($0.operations.metrics, in: $0) }),
            health: Set(try files.compactMap { try address($0.operations.health, in: $0) }),
            registry: registry, logger: logger
        ) { pipelines.map { ($0.name, $0.readiness) } }
    }

    private func address(_ text: String?, in file: PipelineFile) throws -> ListenAddress? {
        guard let text else { return nil }
        guard let address = ListenAddress(text) else {
            Console.error(
                "\(file.path): error: operations: '\(text)' is no address to listen on; write \":6701\" or \"127.0.0.1:6701\""
            )
            throw ExitCode.badConfiguration
        }
        return address
    }
}
