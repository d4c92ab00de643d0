import Arguments
import Telemetry
import PipelineFile
import PipelineKit

/// `hecate validate`: checks pipeline files.
struct ValidateCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check pipeline files without running them.",
        discussion: """
            Prints every error with its file, line and column, and exits with 2 if there is one. With --connect it also checks the
            connections of sources and sinks, without changing anything, and exits with 1 if one fails.
            """)

    @OptionGroup var files: PipelineArguments

    @Flag(help: "Also check the connections of sources and sinks.")
    var connect = false

    func run() async throws {
        let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
        let loaded = try LoadedPipelines(files, logger: logger)
        var allSucceeded = true
        for (file, pipeline) in zip(loaded.files, loaded.pipelines) {
            let stages = [file.pipeline.source] + file.pipeline.stages + [file.pipeline.sink]
            print(
                "\(file.path): valid: pipeline '\(file.pipeline.name)': \(stages.map(\.name).joined(separator: " ▸ "))")
            // Files for another machine may be missing here: without --connect that is only a warning.
            do {
                try await pipeline.prepare()
            } catch {
                Console.error("\(file.path): warning: it could not run here as it is now: \(error)")
                if connect { allSucceeded = false }
            }
            if connect, await !checkConnections(of: file, logger) { allSucceeded = false }
        }
        guard allSucceeded else { throw ExitCode.failure }
    }

    private func checkConnections(of file: PipelineFile, _ logger: Logger) async -> Bool {
        let progress = Progress("looking")
        defer { progress.end() }
        var diagnostics = Diagnostics()
        let checks = await file.pipeline.checkConnections(
            deadLetters: file.deadLetterSink, logger: logger, &diagnostics)
        var allSucceeded = checks != nil
        for check in checks ?? [] {
            switch check.result {
            case .success(let seen): print("  \(check.title): \(seen)")
            case .failure(let error):
                allSucceeded = false
                print("  \(check.title): cannot be used: \(error)")
            }
        }
        return allSucceeded
    }
}

extension PipelineFile {
    /// The sink for dead letters; nil if they are stored in a SQLite file or not at all.
    var deadLetterSink: PipelineSpec.StageSpec? { if case .sink(let sink)? = deadLetters { sink } else { nil } }
}
