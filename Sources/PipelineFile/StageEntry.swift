import PipelineKit

/// An entry of `stages`: a filter or a transform with an optional name and, in a file that extends another, its
/// placement.
enum StageEntry {
    private static let name = Option(
        optional: "name", .string, help: "the stage's name, unique in the pipeline; by default its kind")
    private static let filter = Option(
        optional: "filter",
        OptionType<PipelineSpec.StageSpec>("filter", shape: .stage(.filter)) {
            PipelineSpec.StageSpec.read(.filter, $0, &$1)
        }, help: "decides which messages go on")
    private static let transform = Option(
        optional: "transform",
        OptionType<PipelineSpec.StageSpec>("transform", shape: .stage(.transform)) {
            PipelineSpec.StageSpec.read(.transform, $0, &$1)
        }, help: "turns a message into others")
    private static let otherwise = Option(
        optional: "otherwise", .sink,
        help: "for a filter: the sink for messages that it stops, as in {file: {path: ...}}"
    )

    /// The placement of a stage among those of the extended file.
    enum Placement {
        static let remove = Option("remove", .bool, default: false, help: "whether to remove the stage with this name")
        static let before = Option(optional: "before", .string, help: "the stage before which it is placed")
        static let after = Option(optional: "after", .string, help: "the stage after which it is placed")
        static let declarations: [any OptionDeclaration] = [remove, before, after]
    }

    static let declarations: [any OptionDeclaration] = [name, filter, transform, otherwise]
    static let shape = OptionShape.group(declarations)

    /// Parses an entry whose placement was removed.
    static func read(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> PipelineSpec.StageSpec? {
        guard case .map = node.content else {
            diagnostics.error(
                "a stage is a map with 'filter' or 'transform', and optionally 'name'", at: node.location)
            return nil
        }
        let read = Options.read(node, declarations: declarations, owner: "a stage", &diagnostics)
        guard let options = read else { return nil }
        guard var stage = options[filter] ?? options[transform], options[filter] == nil || options[transform] == nil
        else {
            diagnostics.error("a stage has exactly one of 'filter' and 'transform'", at: node.location)
            return nil
        }
        if let name = options[name] { stage.name = name }
        stage.otherwise = options[otherwise]
        if stage.otherwise != nil, stage.kind.role != .filter {
            diagnostics.error(
                "only a filter has an 'otherwise': a transform stops nothing", at: options.location(of: otherwise))
            return nil
        }
        return stage
    }

    /// Returns the name of an entry, by default its kind; nil if it has neither.
    static func name(of node: ConfigNode) -> String? {
        if let name = node["name"]?.text { return name }
        let work = node["filter"] ?? node["transform"]
        switch work?.content {
        case .string(let kind): return kind
        case .map(let entries): return entries.first { $0.key != "name" }?.key
        default: return nil
        }
    }
}
