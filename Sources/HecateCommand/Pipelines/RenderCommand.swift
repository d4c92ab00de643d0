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

/// `hecate schema`: prints the JSON Schema of pipeline files.
struct SchemaCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.",
        discussion: """
            Save it and write '# yaml-language-server: $schema=hecate.schema.json' at the head of a pipeline file: editors that know the YAML
            language server complete, explain and check it.
            """)

    @Flag(help: "The schema of test files (*.test.yaml) instead.") var tests = false

    func run() async throws {
        let text =
            tests
            ? PipelineSchema.text(of: PipelineTestFile.declarations, title: "Tests of a pipeline of Hecate")
            : PipelineSchema.text(HecateCommand.registry)
        print(text, terminator: "")
    }
}
