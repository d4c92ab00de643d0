/// The declaration of one option of a stage: its name, type, default and one line of help. Everything that is known
/// about an option is read from here: validation with suggestions, `hecate describe`, redaction.
public struct Option<Value: Sendable>: OptionDeclaration {
    /// The name as it is written in a pipeline file.
    public let name: String
    /// How its value is written.
    public let type: OptionType<Value>
    /// One line for the reader of `hecate describe`.
    public let help: String
    /// What holds where the option is left out; nil where it may not be.
    public let defaultValue: Value?
    /// The default as documentation shows it; nil where there is nothing to show.
    public let defaultText: String?

    /// An option that has to be given.
    public init(_ name: String, _ type: OptionType<Value>, help: String) {
        (self.name, self.type, self.help, defaultValue, defaultText) = (name, type, help, nil, nil)
    }

    /// An option with a default. `shown` is the default as documentation gives it, where `\(value)` would not do.
    public init(_ name: String, _ type: OptionType<Value>, default value: Value, shown: String? = nil, help: String) {
        (self.name, self.type, self.help, defaultValue) = (name, type, help, value)
        defaultText = shown ?? "\(value)"
    }

    /// An option that may be left out, and is nil then.
    public init<Wrapped>(optional name: String, _ type: OptionType<Wrapped>, help: String) where Value == Wrapped? {
        self.name = name
        self.type = type.map { Optional($0) }
        self.help = help
        defaultValue = .some(nil)
        defaultText = nil
    }

    /// The type's name.
    public var typeName: String { type.name }
    /// Whether it has to be given.
    public var isRequired: Bool { defaultValue == nil }
    /// Whether its value must never be shown.
    public var isSecret: Bool { type.isSecret }
    /// The options inside.
    public var members: [any OptionDeclaration] { type.members }

    /// What the value looks like.
    public var shape: OptionShape { type.shape }

    /// Reads the value, as `OptionDeclaration` says.
    public func read(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> (any Sendable)? {
        type.read(node, &diagnostics)
    }

    /// The default, as `OptionDeclaration` says.
    public var fallback: (any Sendable)? { defaultValue }
}

/// An option's declaration whatever the type of its value.
public protocol OptionDeclaration: Sendable {
    /// The name as it is written in a pipeline file.
    var name: String { get }
    /// The type's name.
    var typeName: String { get }
    /// One line of help.
    var help: String { get }
    /// The default as documentation shows it.
    var defaultText: String? { get }
    /// Whether it has to be given.
    var isRequired: Bool { get }
    /// Whether its value must never be shown.
    var isSecret: Bool { get }
    /// The options inside, where the value is a map of declared options.
    var members: [any OptionDeclaration] { get }
    /// What the value looks like, for the schema that editors check files with.
    var shape: OptionShape { get }
    /// Reads a value; returns nil after noting why not.
    func read(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> (any Sendable)?
    /// What holds where the option is left out; nil where it may not be.
    var fallback: (any Sendable)? { get }
}

/// The checked options of one stage.
public struct Options: Sendable {
    private var values: [String: any Sendable] = [:]
    private var locations: [String: SourceLocation] = [:]

    /// No option was written: all have their defaults.
    public init() {}

    /// The value of an option: what was written, else its default.
    ///
    /// The option has to be among those the options were read with; asking for another is a mistake in the program.
    public subscript<Value>(option: Option<Value>) -> Value {
        guard let value = values[option.name] as? Value ?? option.defaultValue else {
            preconditionFailure("the option '\(option.name)' is not among the declared ones")
        }
        return value
    }

    /// Where an option was written; nil where it was not.
    public func location<Value>(of option: Option<Value>) -> SourceLocation? { locations[option.name] }

    /// The stages that stand inside, as those of a `fan-out` do, however deep in maps and lists of options, in the order of the
    /// file.
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

    /// Checks a map against declarations: unknown keys, missing options and wrong values are noted, all of them.
    ///
    /// Nothing (`null`) counts as an empty map. `owner` names the stage in messages, as in `source sns`; what is missing
    /// is reported at `missingAt`, else at the map.
    /// - Returns: nil where there was an error.
    public static func read(
        _ node: ConfigNode, declarations: [any OptionDeclaration], owner: String, missingAt: SourceLocation? = nil,
        _ diagnostics: inout Diagnostics
    ) -> Options? {
        let entries: [ConfigNode.Entry]
        switch node.content {
        case .map(let found): entries = found
        case .null: entries = []
        default:
            diagnostics.error("a map with the options of \(owner) is expected here", at: node.location)
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

/// Text that no log, error or rendering shows.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself, to be handed to whoever needs it and to nobody else.
    public let revealed: String

    /// Hides a text.
    public init(_ text: String) { revealed = text }

    /// Never the text.
    public var description: String { "[redacted]" }
    /// Never the text.
    public var debugDescription: String { description }
    /// Never the text.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
