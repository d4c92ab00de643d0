import Telemetry
import Wire

/// A part of a pipeline. Conform to one of the four protocols `Source`, `Filter`, `Transform` or `Sink`.
///
/// A stage is made once for each pipeline, from options that were validated against its declaration. Its initializer
/// performs no I/O, so that `hecate validate` can make every stage of a file.
public protocol Stage: Sendable {
    /// The name, help, options and examples of the kind.
    static var declaration: StageDeclaration { get }

    /// Makes a stage from validated options.
    ///
    /// - Throws: `OptionError` if the options do not fit together. It is reported at the option's location.
    init(_ options: Options, _ context: StageContext) throws
}
