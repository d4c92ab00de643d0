/// What an option's value looks like in a file: enough for a JSON Schema. Reading is what decides; a shape may be wider, never
/// narrower, than what is read.
public indirect enum OptionShape: Sendable {
    /// Anything.
    case any
    /// Text.
    case text
    /// Text that fits a regular expression (ECMA 262).
    case pattern(String)
    /// `true` or `false`.
    case boolean
    /// An integer within limits.
    case integer(ClosedRange<Int>)
    /// A number within limits.
    case number(ClosedRange<Double>)
    /// One of some texts.
    case choice([String])
    /// A list, or a single value that stands for a list of one.
    case list(OptionShape)
    /// A map from any name.
    case map(OptionShape)
    /// A map of declared options.
    case group([any OptionDeclaration])
    /// A map of declared options, in which any other name has a value of a shape.
    case openGroup([any OptionDeclaration], others: OptionShape)
    /// One of several shapes.
    case oneOf([OptionShape])
    /// A stage: one kind of a role with its options.
    case stage(StageRegistry.Role)
    /// A shape that is written out once, under a name of its own, because it occurs in itself.
    case named(String, @Sendable () -> OptionShape)
}
