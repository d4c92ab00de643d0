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
