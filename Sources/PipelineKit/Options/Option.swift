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
