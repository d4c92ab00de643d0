import Arguments
import PipelineFile
import PipelineKit
import Stages
import Telemetry

/// A pipeline that a migration command runs. Never replaces newer items.
struct MigrationPipeline {
    private let file: PipelineFile
    private let logger: Logger
    private let isDryRun: Bool

    /// - Throws: `ExitCode.badConfiguration` after reporting the errors of the file.
    init(_ path: String, settings: [String], logger: Logger, isDryRun: Bool = false) throws {
        var file = try PipelineFile.loadOne(path, settings: settings)
        if file.pipeline.sink.kind.declaration.name == ArgusSink.declaration.name {
            // The user's settings come later and take precedence.
            file = try PipelineFile.loadOne(path, settings: ["sink.argus.conflict=newest"] + settings)
        } else if !isDryRun {
            Console.error(
                "note: \(file.pipeline.sink.kind.title) is not Argus: whether it keeps newer items depends on it"
            )
        }
        self.file = file
        self.logger = logger
        self.isDryRun = isDryRun
    }

    /// Runs the pipeline with another source until it ends or a signal arrives.
    ///
    /// - Returns: whether a signal arrived.
    func run(_ source: any Source) async throws -> Bool {
        var diagnostics = Diagnostics()
        let dryRunSink: (any Sink)? = isDryRun ? DryRunSink() : nil
        guard
            let pipeline = file.pipeline.build(
                logger: logger, dryRunSink: dryRunSink, replacingSource: source, &diagnostics)
        else {
            for diagnostic in diagnostics.all { Console.error("error: \(diagnostic.message)") }
            throw ExitCode.badConfiguration
        }
        let wasStopped = StopFlag()
        let signals = ProcessSignals(
            logger: logger,
            stop: {
                wasStopped.set()
                await pipeline.stop()
            })
        defer { signals.cancel() }
        try await pipeline.run()
        return wasStopped.isSet
    }
}
