import Arguments
import PipelineFile
import PipelineKit
import Stages
import Telemetry
import Wire

/// The Argus bucket and the owners.
struct ArgusTarget: ArgumentGroup {
    @Arguments.Option(
        help: "The pipeline that migrates: it determines the expected items, their owners, and the address of Argus.",
        completion: .file(extensions: ["yaml"]))
    var pipeline: String?
    @OptionGroup var set: SettingArguments
    @Arguments.Option(
        name: .customLong("to"),
        help: ArgumentHelp("Argus's URL, as http://argus:6600; by default that of the pipeline.", valueName: "URL"))
    var address: String?
    @Arguments.Option(
        name: .customLong("to-auth"),
        help: ArgumentHelp(
            "The authorization for Argus: user:password; better as '${VAR}' or '${file:PATH}'.", valueName: "auth"))
    var authorization: String?
    @Arguments.Option(help: "The bucket; by default that of the pipeline, or webhooks.") var bucket: String?
    @Arguments.Option(
        name: .customLong("owner"),
        help: "An owner of items; may be repeated. By default the owners in the pipeline.")
    var owners: [String] = []

    func validate() throws {
        if pipeline == nil {
            if address == nil {
                throw ValidationError("name Argus with --to http://argus:6600, or --pipeline FILE")
            }
            if owners.isEmpty {
                throw ValidationError(
                    "Argus lists one owner at a time: name owners with --owner NAME (\"\" for none), or --pipeline FILE"
                )
            }
        }
    }

    /// Returns the pipeline, if there is one, and the sink of kind `argus` with the address.
    func resolve() throws -> (file: PipelineFile?, sink: PipelineSpec.StageSpec) {
        let file = try pipeline.map { try PipelineFile.loadOne($0, settings: set.settings) }
        if let address { return (file, try sink(at: address)) }
        guard let file else { throw ExitCode.badConfiguration }
        let all = [file.pipeline.sink] + file.pipeline.sink.options.nestedStages
        guard let sink = all.first(where: { $0.kind.declaration.name == ArgusSink.declaration.name }) else {
            throw CommandFailure(
                "\(file.path) has no sink argus: name Argus with --to", status: .badConfiguration)
        }
        return (file, sink)
    }

    private func sink(at address: String) throws -> PipelineSpec.StageSpec {
        var members: [JSONTree.Member] = [.init("address", .string(address))]
        if let bucket { members.append(.init("bucket", .string(bucket))) }
        if let authorization { members.append(.init("auth", .members(["basic": .string(authorization)]))) }
        // JSON is YAML: parsed like a sink in a file, with secrets and validation.
        let text = JSONTree.members(["argus": .object(members)]).bytes
        let (root, report) = PipelineFile.tree(of: text, named: "--to", substitution: .system)
        var diagnostics = Diagnostics(registry: HecateCommand.registry)
        let sink = root.flatMap { PipelineSpec.StageSpec.read(.sink, $0, &diagnostics) }
        guard let sink, !report.hasErrors else {
            let reasons = (report.diagnostics.all + diagnostics.all).map(\.message).joined(separator: "; ")
            throw CommandFailure("--to, --to-auth, --bucket: \(reasons)", status: .badConfiguration)
        }
        return sink
    }
}
