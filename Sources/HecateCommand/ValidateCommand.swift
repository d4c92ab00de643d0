import ArgumentParser
import Logging

/// `hecate validate`: says whether pipeline files are as they have to be.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check pipeline files without running them.",
        discussion: "Prints every mistake with its file, line and column, and ends with 2 if there is one.")

    @Argument(help: ArgumentHelp("Pipeline files.", valueName: "file"))
    var files: [String]

    func run() async throws {
        let loaded = try LoadedPipelines(files, logger: Logger(label: "hecate") { _ in SwiftLogNoOpLogHandler() })
        for file in loaded.files {
            let stages = [file.pipeline.source] + file.pipeline.stages + [file.pipeline.sink]
            print(
                "\(file.path): good: pipeline '\(file.pipeline.name)': \(stages.map(\.name).joined(separator: " ▸ "))")
        }
    }
}
