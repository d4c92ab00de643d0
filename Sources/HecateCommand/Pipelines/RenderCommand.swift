import Arguments
import PipelineFile

/// `hecate render`: shows the effective pipeline of a file.
struct RenderCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "render", abstract: "Print the effective pipeline, with the origin of each value.",
        discussion: """
            Merges the file, those that it extends, the environment and --set. Secrets are hidden. Errors are printed to standard error, and
            the exit status is 2 then.
            """)

    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file"), completion: .file(extensions: ["yaml"]))
    var file: String
    @OptionGroup var set: SettingArguments
    @Flag(help: "Keep ${...} unreplaced, so that no variable has to be set.") var keepVariables = false

    func run() async throws {
        let (pipeline, report) = EffectivePipeline.load(
            file, registry: HecateCommand.registry, settings: set.settings, keepsVariables: keepVariables)
        if let pipeline { print(pipeline.yaml, terminator: "") }
        // Validate fully, unless variables are kept.
        let all =
            keepVariables
            ? report
            : PipelineFile.load([file], registry: HecateCommand.registry, settings: set.settings).report
        let text = all.description
        if !text.isEmpty { Console.error(text) }
        if all.hasErrors || pipeline == nil { throw ExitCode.badConfiguration }
    }
}
