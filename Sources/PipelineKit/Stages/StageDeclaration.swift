/// The declaration of a kind of stage: the source of validation, `hecate list` and `hecate describe`.
public struct StageDeclaration: Sendable {
    /// The kind in pipeline files, such as `argus-item`.
    public let name: String
    /// A summary of one line.
    public let summary: String
    /// What users need to know beyond the summary and the options' help; may be empty.
    public let details: String
    /// The options in the order of the documentation.
    public let options: [any OptionDeclaration]
    /// The option that may be written as the whole value, without its name (`sample: 10`), if the value is no map.
    public let shorthand: String?
    /// Whether the only option is always the whole value, even if that is a map (`match: {field: ...}`).
    public let hasInlineOption: Bool
    /// The payload that the stage accepts; nil for any.
    public let accepts: PayloadKind?
    /// The payload that the stage produces; nil if it does not change it.
    public let produces: PayloadKind?
    /// An example: a piece of a pipeline file.
    public let example: String

    public init(
        name: String, summary: String, details: String = "", options: [any OptionDeclaration] = [],
        shorthand: String? = nil, hasInlineOption: Bool = false, accepts: PayloadKind? = nil,
        produces: PayloadKind? = nil,
        example: String
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.options = options
        self.shorthand = shorthand
        self.hasInlineOption = hasInlineOption
        self.accepts = accepts
        self.produces = produces
        self.example = example
    }

    /// The shape of the value behind the kind's name.
    public var shape: OptionShape {
        if hasInlineOption, let option = options.first { return option.shape }
        guard let short = options.first(where: { $0.name == shorthand }) else { return .group(options) }
        return .oneOf([.group(options), short.shape])
    }
}
