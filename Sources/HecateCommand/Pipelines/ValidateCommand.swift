import Arguments
import Telemetry
import PipelineFile
import PipelineKit

/// `hecate validate`: says whether pipeline files are as they have to be.
struct ValidateCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check pipeline files without running them.",
        discussion: """
            Prints every mistake with its file, line and column, and ends with 2 if there is one. With --connect it also looks at what
            the sources and sinks use, without changing anything there, and ends with 1 where something cannot be used.
            """)

    @OptionGroup var files: PipelineArguments

    @Flag(help: "Also look whether what the sources and sinks use is there and lets us in.")
    var connect = false

    func run() async throws {
        let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
        let loaded = try LoadedPipelines(files, logger: logger)
        var allSucceeded = true
        for (file, pipeline) in zip(loaded.files, loaded.pipelines) {
            let stages = [file.pipeline.source] + file.pipeline.stages + [file.pipeline.sink]
            print(
                "\(file.path): good: pipeline '\(file.pipeline.name)': \(stages.map(\.name).joined(separator: " ▸ "))")
            // What is meant for another machine need not be here: without --connect that is no mistake.
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
    /// The sink of the dead letters; nil where they are kept in a SQLite file, or not at all.
    var deadLetterSink: PipelineSpec.StageSpec? { if case .sink(let sink)? = deadLetters { sink } else { nil } }
}
