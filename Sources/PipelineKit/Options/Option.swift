/// An option of a stage: its name, type, default and a line of help. Validation with suggestions, `hecate describe` and
/// redaction are derived from it.
public struct Option<Value: Sendable>: OptionDeclaration {
    /// The name in pipeline files.
    public let name: String
    /// The type of the value.
    public let type: OptionType<Value>
    /// The help of `hecate describe`, one line.
    public let help: String
    /// The default; nil for a required option.
    public let defaultValue: Value?
    /// The default as the documentation shows it; nil to show none.
    public let defaultText: String?

    /// Makes a required option.
    public init(_ name: String, _ type: OptionType<Value>, help: String) {
        (self.name, self.type, self.help, defaultValue, defaultText) = (name, type, help, nil, nil)
    }

    /// Makes an option with a default. `shown` is the default as the documentation shows it, if `\(value)` does not do.
    public init(_ name: String, _ type: OptionType<Value>, default value: Value, shown: String? = nil, help: String) {
        (self.name, self.type, self.help, defaultValue) = (name, type, help, value)
        defaultText = shown ?? "\(value)"
    }

    /// Makes an optional option, which is nil by default.
    public init<Wrapped>(optional name: String, _ type: OptionType<Wrapped>, help: String) where Value == Wrapped? {
        self.name = name
        self.type = type.map { Optional($0) }
        self.help = help
        defaultValue = .some(nil)
        defaultText = nil
    }

    public var typeName: String { type.name }
    public var isRequired: Bool { defaultValue == nil }
    /// Whether the value must never be shown.
    public var isSecret: Bool { type.isSecret }
    /// The members of a group.
    public var members: [any OptionDeclaration] { type.members }

    /// The shape of the value.
    public var shape: OptionShape { type.shape }

    public func read(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> (any Sendable)? {
        type.read(node, &diagnostics)
    }

    public var fallback: (any Sendable)? { defaultValue }
}

/// An option without the type of its value.
public protocol OptionDeclaration: Sendable {
    /// The name in pipeline files.
    var name: String { get }
    var typeName: String { get }
    /// The help, one line.
    var help: String { get }
    /// The default as the documentation shows it.
    var defaultText: String? { get }
    var isRequired: Bool { get }
    /// Whether the value must never be shown.
    var isSecret: Bool { get }
    /// The members, if the value is a group of options.
    var members: [any OptionDeclaration] { get }
    /// The shape of the value, for the JSON Schema.
    var shape: OptionShape { get }
    /// Parses a value. Returns nil after adding a diagnostic.
    func read(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> (any Sendable)?
    /// The default; nil for a required option.
    var fallback: (any Sendable)? { get }
}

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

/// A text that logs, errors and renderings never show.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text. Pass it on only to what needs it.
    public let revealed: String

    public init(_ text: String) { revealed = text }

    /// The text is redacted.
    public var description: String { "[redacted]" }
    /// The text is redacted.
    public var debugDescription: String { description }
    /// The text is redacted.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
