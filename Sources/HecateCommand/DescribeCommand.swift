import ArgumentParser
import PipelineFile
import PipelineKit

/// `hecate describe`: everything about one kind of stage, or about a pipeline file as a whole.
struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Explain a kind of stage with its options, or 'pipeline'.")

    @Argument(help: "source, filter, transform, sink, or pipeline.")
    var kind: String

    @Argument(help: "The name of the kind, such as sns.")
    var name: String?

    func run() async throws {
        if kind == "pipeline" {
            print("pipeline: the file as a whole\n")
            print(
                "One 'source' and one 'sink', each with one kind and its options; 'stages', a list of filters and transforms in"
            )
            print(
                "order, each {filter: {KIND: {...}}} or {transform: {KIND: {...}}} and a 'name' if you like. In every value ${VAR},"
            )
            print("${VAR:-default}, ${VAR:?message} and ${file:PATH} are replaced; $$ is a dollar. Beside that:\n")
            Self.explain(PipelineFile.settings, indent: "  ")
            return
        }
        guard let role = StageRegistry.Role(rawValue: kind) else {
            let near = suggestion(for: kind, among: StageRegistry.Role.allCases.map(\.rawValue) + ["pipeline"])
            Console.error("error: '\(kind)' is none of source, filter, transform, sink, pipeline\(near)")
            throw ExitCode.badConfiguration
        }
        let kinds = HecateCommand.registry.kinds(role)
        let known = kinds.map(\.declaration.name)
        guard let name, let found = HecateCommand.registry.kind(role, name) else {
            let near = name.map { suggestion(for: $0, among: known) } ?? ""
            let asked = name.map { "there is no \(role.rawValue) '\($0)'" } ?? "which \(role.rawValue)?"
            Console.error("error: \(asked)\(near.isEmpty ? "; there are \(known.joined(separator: ", "))" : near)")
            throw ExitCode.badConfiguration
        }
        Self.explain(found)
    }

    private static func explain(_ kind: StageRegistry.Kind) {
        let declaration = kind.declaration
        print("\(kind.title): \(declaration.summary)\n")
        if !declaration.details.isEmpty { print("\(declaration.details)\n") }
        if let takes = declaration.takes, kind.role != .source { print("takes \(takes)") }
        if let makes = declaration.makes { print("makes \(makes)") }
        if declaration.takes != nil || declaration.makes != nil { print("") }
        if declaration.options.isEmpty {
            print("no options\n")
        } else {
            print("options")
            explain(declaration.options, indent: "  ")
            print("")
        }
        print("example\n")
        for line in declaration.example.split(separator: "\n", omittingEmptySubsequences: false) {
            print("    \(line)")
        }
    }

    private static func explain(_ options: [any OptionDeclaration], indent: String) {
        for option in options {
            let state =
                option.isRequired ? ", needed" : option.defaultText.map { $0.isEmpty ? "" : ", else \($0)" } ?? ""
            print("\(indent)\(option.name) (\(option.typeName)\(state))")
            print("\(indent)    \(option.help)")
            explain(option.members, indent: indent + "    ")
        }
    }
}
