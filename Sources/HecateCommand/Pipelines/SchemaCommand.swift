import Arguments
import PipelineFile

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
