import Arguments
import PipelineFile

/// `hecate diff`: shows the differences between two environments.
struct DiffCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show the differences between two pipelines.",
        discussion: """
            Compares the effective pipelines, value by value, with where each comes from. Secrets that differ are named but not shown.
            Ends with 0 where nothing differs, 1 where something does.
            """)

    @Argument(help: ArgumentHelp("One pipeline file.", valueName: "file"), completion: .file(extensions: ["yaml"]))
    var left: String
    @Argument(help: ArgumentHelp("The other.", valueName: "other"), completion: .file(extensions: ["yaml"]))
    var right: String
    @Flag(help: "Keep ${...} unreplaced, so that no variable has to be set.") var keepVariables = false

    func run() async throws {
        let pipelines = try [left, right].map { path in
            let (pipeline, report) = EffectivePipeline.load(
                path, registry: HecateCommand.registry, keepsVariables: keepVariables)
            if !report.description.isEmpty { Console.error(report.description) }
            guard let pipeline, !report.hasErrors else { throw ExitCode.badConfiguration }
            return pipeline
        }
        let text = EffectivePipeline.differences(pipelines[0], pipelines[1])
        guard !text.isEmpty else { return }
        print(text)
        throw ExitCode.failure
    }
}
