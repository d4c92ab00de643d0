import ArgumentParser
import Logging
import PipelineFile
import PipelineKit

/// The pipelines of files: read, checked and made.
struct LoadedPipelines {
    let files: [PipelineFile]
    let pipelines: [Pipeline]

    /// Loads files; prints everything that is to be said about them.
    ///
    /// - Throws: `ExitCode.badConfiguration` where there is a mistake.
    init(_ paths: [String], logger: Logger, dryRunSink: (any Sink)? = nil) throws {
        var (files, report) = PipelineFile.load(paths, registry: HecateCommand.registry)
        let pipelines = files.compactMap {
            $0.pipeline.build(logger: logger, dryRunSink: dryRunSink, &report.diagnostics)
        }
        let text = report.description
        if !text.isEmpty { Console.error(text) }
        guard !report.hasErrors else { throw ExitCode.badConfiguration }
        self.files = files
        self.pipelines = pipelines
    }
}
