import Arguments
import Telemetry
import PipelineFile
import PipelineKit
import Spool

extension PipelineFile {
    /// What of the pipeline is to outlive its process; nothing is opened yet.
    func durability(_ logger: Logger, _ diagnostics: inout Diagnostics) -> Durability {
        var logger = logger
        logger[metadataKey: "pipeline"] = "\(pipeline.name)"
        let spool = spool.map { spool in
            SQLiteSpool(
                .init(path: spool.path, maxBytes: spool.maxBytes, isFullSync: spool.isFullSync),
                pipeline: pipeline.name,
                logger: logger)
        }
        let deadLetters: (any DeadLetterStore)? =
            switch self.deadLetters {
            case nil: nil
            case .sqlite(let path): SQLiteDeadLetters(path: path)
            case .sink(let sink): sink.makeDeadLetters(pipeline: pipeline.name, logger: logger, &diagnostics)
            }
        return Durability(spool: spool, maxAge: self.spool?.maxAge, deadLetters: deadLetters)
    }
}

/// The pipelines of files: read, checked and made.
struct LoadedPipelines {
    let files: [PipelineFile]
    let pipelines: [Pipeline]
    /// The dead letters of the pipelines, by their names, where they are in a SQLite file.
    let deadLetters: [String: SQLiteDeadLetters]

    /// Loads files; prints everything that is to be said about them.
    ///
    /// - Throws: `ExitCode.badConfiguration` where there is a mistake.
    init(_ files: PipelineArguments, logger: Logger, dryRunSink: (any Sink)? = nil, tap: Tap? = nil) throws {
        let (loaded, report) = Self.load(
            files, registry: HecateCommand.registry, logger: logger, dryRunSink: dryRunSink, tap: tap)
        let text = report.description
        if !text.isEmpty { Console.error(text) }
        guard let loaded else { throw ExitCode.badConfiguration }
        self = loaded
    }

    private init(files: [PipelineFile], pipelines: [Pipeline], deadLetters: [String: SQLiteDeadLetters]) {
        self.files = files
        self.pipelines = pipelines
        self.deadLetters = deadLetters
    }

    /// Loads files.
    ///
    /// - Returns: nil where there is a mistake; and everything that is to be said.
    static func load(
        _ arguments: PipelineArguments, registry: StageRegistry, logger: Logger, dryRunSink: (any Sink)? = nil,
        tap: Tap? = nil
    ) -> (LoadedPipelines?, Report) {
        var (files, report) = PipelineFile.load(
            arguments.files, registry: registry, settings: arguments.settings)
        var deadLetters: [String: SQLiteDeadLetters] = [:]
        let pipelines = files.compactMap { file in
            let durability = dryRunSink == nil ? file.durability(logger, &report.diagnostics) : Durability()
            deadLetters[file.pipeline.name] = durability.deadLetters as? SQLiteDeadLetters
            return file.pipeline.build(
                logger: logger, dryRunSink: dryRunSink, durability: durability, tap: tap, &report.diagnostics)
        }
        let loaded = LoadedPipelines(files: files, pipelines: pipelines, deadLetters: deadLetters)
        return (report.hasErrors ? nil : loaded, report)
    }
}
