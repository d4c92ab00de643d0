import PipelineFile
import PipelineKit
import Telemetry
import Wire

/// Checks that apply to every kind of stage.
enum Declarations {
    static let logger = Logger(label: "conformance") { _ in SilentLogHandler() }

    static func context(_ stage: String, _ metrics: MetricNames) -> StageContext {
        StageContext(pipeline: "conformance", stage: stage, logger: logger, metrics: metrics)
    }

    /// Parses options as in a pipeline file.
    static func options(
        _ text: String, of declaration: StageDeclaration, registry: StageRegistry
    ) throws -> Options {
        let (root, report) = PipelineFile.tree(of: Array(text.utf8), named: "options")
        var diagnostics = Diagnostics(registry: registry)
        guard var node = root, !report.hasErrors else { throw StageError(report.description) }
        if declaration.hasInlineOption, let option = declaration.options.first {
            node = ConfigNode(
                .map([.init(key: option.name, keyLocation: node.location, value: node)]), at: node.location)
        }
        let read = Options.read(
            node, declarations: declaration.options, owner: declaration.name, &diagnostics)
        guard let read else { throw StageError(diagnostics.all.map(\.message).joined(separator: "; ")) }
        return read
    }

    /// Checks that a declaration is complete and its example can be parsed.
    static func check(
        _ declaration: StageDeclaration, role: StageRegistry.Role, registry: StageRegistry
    ) -> [String] {
        var problems: [String] = []
        if declaration.name.wholeMatch(of: #/[a-z][a-z0-9]*(-[a-z0-9]+)*/#) == nil {
            problems.append("'\(declaration.name)' is no name such as my-store")
        }
        if declaration.summary.isEmpty || declaration.summary.count > 110 || declaration.summary.hasSuffix(".") {
            problems.append("the summary is one line of at most 110 characters without a full stop")
        }
        var names: Set<String> = []
        for option in declaration.options {
            if !names.insert(option.name).inserted { problems.append("the option '\(option.name)' is declared twice") }
            if option.help.isEmpty { problems.append("the option '\(option.name)' has no help") }
        }
        let (root, report) = PipelineFile.tree(
            of: Array(declaration.example.utf8), named: "example",
            substitution: .system.overridden(variables: [:], files: ["/run/secrets/argus": "user:password"]))
        guard let root, !report.hasErrors, let node = root[role.rawValue] else {
            return problems + ["the example is no piece of a pipeline file with '\(role.rawValue):'"]
        }
        // Nested stages of the example may be of unknown kinds.
        var diagnostics = Diagnostics(registry: registry)
        let read = PipelineSpec.StageSpec.read(role, node, &diagnostics)
        if read == nil { problems += diagnostics.all.map { "the example: \($0.message)" } }
        if let read, read.kind.declaration.name != declaration.name {
            problems.append("the example shows '\(read.kind.declaration.name)', not '\(declaration.name)'")
        }
        return problems
    }
}
