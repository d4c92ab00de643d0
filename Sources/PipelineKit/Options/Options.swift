/// The validated options of a stage.
public struct Options: Sendable {
    private var values: [String: any Sendable] = [:]
    private var locations: [String: SourceLocation] = [:]

    /// Makes options that all have their defaults.
    public init() {}

    /// Returns the value of an option: the one in the file, else the default.
    ///
    /// The option must be one of those that the options were read with; anything else is a programming error.
    public subscript<Value>(option: Option<Value>) -> Value {
        guard let value = values[option.name] as? Value ?? option.defaultValue else {
            preconditionFailure("the option '\(option.name)' is not declared")
        }
        return value
    }

    /// Returns the location of an option in the file; nil if it is not given.
    public func location<Value>(of option: Option<Value>) -> SourceLocation? { locations[option.name] }

    /// All stages nested in the options, such as the sinks of a `fan-out`, in the order of the file.
    public var nestedStages: [PipelineSpec.StageSpec] {
        locations.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            .compactMap { values[$0.key] }.flatMap(Self.stages)
    }

    private static func stages(in value: any Sendable) -> [PipelineSpec.StageSpec] {
        switch value {
        case let stage as PipelineSpec.StageSpec: [stage]
        case let stages as [PipelineSpec.StageSpec]: stages
        case let options as Options: options.nestedStages
        case let groups as [Options]: groups.flatMap(\.nestedStages)
        default: []
        }
    }

    /// Validates a map against declarations. Reports all unknown keys, missing options and wrong values.
    ///
    /// `null` counts as an empty map. `owner` names the stage in messages, as in `source sns`. Missing options are
    /// reported at `missingAt`, by default at the map.
    /// - Returns: nil if there was an error.
    public static func read(
        _ node: ConfigNode, declarations: [any OptionDeclaration], owner: String, missingAt: SourceLocation? = nil,
        _ diagnostics: inout Diagnostics
    ) -> Options? {
        let entries: [ConfigNode.Entry]
        switch node.content {
        case .map(let found): entries = found
        case .null: entries = []
        default:
            diagnostics.error("expected a map with the options of \(owner)", at: node.location)
            return nil
        }
        var options = Options()
        var isValid = true
        for entry in entries {
            guard let declaration = declarations.first(where: { $0.name == entry.key }) else {
                let near = suggestion(for: entry.key, among: declarations.map(\.name))
                diagnostics.error("\(owner) has no option '\(entry.key)'\(near)", at: entry.keyLocation)
                isValid = false
                continue
            }
            options.locations[entry.key] = entry.value.location
            if let value = declaration.read(entry.value, &diagnostics) {
                options.values[entry.key] = value
            } else {
                isValid = false
            }
        }
        for declaration in declarations where declaration.isRequired && options.locations[declaration.name] == nil {
            diagnostics.error(
                "\(owner) needs the option '\(declaration.name)' (\(declaration.typeName)): \(declaration.help)",
                at: missingAt ?? node.location)
            isValid = false
        }
        return isValid ? options : nil
    }
}
