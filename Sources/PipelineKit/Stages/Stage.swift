public import Telemetry
public import Wire

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

/// The environment of a stage, beside its options.
public struct StageContext: Sendable {
    public var pipeline: String
    /// The stage's name in the pipeline, by default its kind.
    public var stage: String
    /// The logger, which carries the names of the pipeline and the stage.
    public var logger: Logger
    /// The factory for metrics. Make them in `init`, never while messages are processed.
    public var metrics: any MetricsFactory
    /// The wall clock.
    public var now: @Sendable () -> Timestamp
    /// Whether this is a dry run, which must not change anything outside.
    public var isDryRun: Bool

    /// Makes a context, by default with the process's metrics and clock.
    public init(
        pipeline: String, stage: String, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        now: @escaping @Sendable () -> Timestamp = { .now() }, isDryRun: Bool = false
    ) {
        self.pipeline = pipeline
        self.stage = stage
        self.logger = logger
        self.metrics = metrics
        self.now = now
        self.isDryRun = isDryRun
    }
}

/// Why a filter or a transform cannot process a message.
public struct StageError: Error, CustomStringConvertible {
    /// The reason, for people.
    public let description: String
    /// Whether the stage may succeed later with the same message, as with a rate limit. Otherwise the message is
    /// refused.
    public let isTransient: Bool
    /// The minimum delay of a transient error.
    public let retryAfter: Duration?

    /// Makes a permanent error.
    public init(_ reason: String) { (description, isTransient, retryAfter) = (reason, false, nil) }

    /// Makes a transient error.
    public init(transient reason: String, retryAfter: Duration? = nil) {
        (description, isTransient, self.retryAfter) = (reason, true, retryAfter)
    }
}
