import Arguments
import PipelineFile
import PipelineKit

/// `hecate describe`: documents a kind of stage, or the pipeline file.
struct DescribeCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Describe a kind of stage with its options, or 'pipeline'.")

    @Argument(help: "source, filter, transform, sink, or pipeline.")
    var kind: String

    @Argument(help: "The name of the kind, such as sns.")
    var name: String?

    func run() async throws {
        if kind == "pipeline" { return Self.explainPipeline() }
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

    private static func explainPipeline() {
        print(
            """
            pipeline: the file as a whole

            In every value ${VAR}, ${VAR:-default}, ${VAR:?message} and ${file:PATH} are replaced; $$ is a dollar.

            With 'extends: OTHER.yaml' a file is laid over another, seen from its own folder, and that perhaps over a third: maps merge,
            scalars and lists replace, nothing (as in 'spool:') removes, a source, sink, filter or transform of another kind replaces the
            whole. Stages merge by their names (a stage without a name has that of its kind), in the other's order; new ones come last
            unless they are placed.

            options
            """)
        explain(PipelineFile.declarations, indent: "  ")
        print("\neach entry of stages\n")
        explain(PipelineFile.stageDeclarations, indent: "  ")
        print("\nand in a file that extends another\n")
        explain(PipelineFile.placementDeclarations, indent: "  ")
    }

    private static func explain(_ kind: StageRegistry.Kind) {
        let declaration = kind.declaration
        print("\(kind.title): \(declaration.summary)\n")
        if !declaration.details.isEmpty { print("\(declaration.details)\n") }
        if let accepts = declaration.accepts, kind.role != .source { print("takes \(accepts)") }
        if let produces = declaration.produces { print("makes \(produces)") }
        if declaration.accepts != nil || declaration.produces != nil { print("") }
        if declaration.options.isEmpty {
            print("no options\n")
        } else {
            print("options")
            explain(declaration.hasInlineOption ? members(of: declaration.shape) : declaration.options, indent: "  ")
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

    /// Returns the options of a value that is a map.
    private static func members(of shape: OptionShape) -> [any OptionDeclaration] {
        switch shape {
        case .group(let members), .openGroup(let members, _): members
        case .named(_, let inner): members(of: inner())
        case .list(let inner): members(of: inner)
        default: []
        }
    }
}
