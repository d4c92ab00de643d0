import Arguments
import Telemetry
import PipelineFile
import PipelineKit
import Spool

extension PipelineFile {
    /// Makes the spool and the dead letter store of the pipeline without opening them.
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

/// Pipelines that were loaded from files and built.
struct LoadedPipelines {
    let files: [PipelineFile]
    let pipelines: [Pipeline]
    /// The SQLite dead letter stores by the name of their pipeline.
    let deadLetters: [String: SQLiteDeadLetters]

    /// Loads files and prints their diagnostics.
    ///
    /// - Throws: `ExitCode.badConfiguration` if there are errors.
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
    /// - Returns: nil if there are errors; and the report.
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
