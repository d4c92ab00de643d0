/// The shape of an option's value, for the JSON Schema. Validation decides; a shape may allow more than validation
/// does, never less.
public indirect enum OptionShape: Sendable {
    /// Any value.
    case any
    case text
    /// Text that matches a regular expression (ECMA 262).
    case pattern(String)
    case boolean
    /// An integer in a range.
    case integer(ClosedRange<Int>)
    /// A number in a range.
    case number(ClosedRange<Double>)
    /// One of these texts.
    case choice([String])
    /// A list, or a single value in place of a list of one.
    case list(OptionShape)
    /// A map with any keys.
    case map(OptionShape)
    /// A map with declared options.
    case group([any OptionDeclaration])
    /// A map with declared options; any other key has a value of shape `others`.
    case openGroup([any OptionDeclaration], others: OptionShape)
    /// One of these shapes.
    case oneOf([OptionShape])
    /// A stage of a role with its options.
    case stage(StageRegistry.Role)
    /// A recursive shape, which the schema defines under a name.
    case named(String, @Sendable () -> OptionShape)
}
