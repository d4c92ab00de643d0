public import Telemetry
public import Wire

/// What a pipeline is built of. An author writes one of the four kinds: `Source`, `Filter`, `Transform` or `Sink`.
///
/// A stage is made once per pipeline, from options that were checked against its declaration. Making it does no I/O,
/// so that `hecate validate` can make every stage of a file.
public protocol Stage: Sendable {
    /// Everything there is to know about the kind: name, help, options, examples.
    static var declaration: StageDeclaration { get }

    /// Makes a stage of checked options.
    ///
    /// - Throws: `OptionError` where the options do not go together; it is reported at the option's place in the file.
    init(_ options: Options, _ context: StageContext) throws
}

/// What a kind of stage says of itself: validation, `hecate list` and `hecate describe` are made from it.
public struct StageDeclaration: Sendable {
    /// The kind as it is written in a pipeline file, such as `argus-item`.
    public let name: String
    /// One line.
    public let summary: String
    /// What a user has to know beyond the summary and the options' help; may be empty.
    public let details: String
    /// The options, in the order in which they are explained.
    public let options: [any OptionDeclaration]
    /// An option that may be written without its name, as the whole value (`sample: 10`), where that is no map.
    public let shorthand: String?
    /// Whether the one option there is always is the whole value, also where that is a map (`match: {field: ...}`).
    public let hasInlineOption: Bool
    /// What a message has to carry to be taken; nil for anything.
    public let accepts: PayloadKind?
    /// What a message carries afterwards; nil where it is left as it is.
    public let produces: PayloadKind?
    /// A piece of a pipeline file that shows the stage at work.
    public let example: String

    /// A declaration.
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

    /// What stands behind the kind's name looks like.
    public var shape: OptionShape {
        if hasInlineOption, let option = options.first { return option.shape }
        guard let short = options.first(where: { $0.name == shorthand }) else { return .group(options) }
        return .oneOf([.group(options), short.shape])
    }
}

/// What a stage is given beside its options.
public struct StageContext: Sendable {
    /// The pipeline's name.
    public var pipeline: String
    /// The stage's name in the pipeline: the one it was given, else its kind.
    public var stage: String
    /// Where to log; carries the pipeline's and the stage's names.
    public var logger: Logger
    /// Where to make metrics. They are made once, in `init`, never on the path of a message.
    public var metrics: any MetricsFactory
    /// The wall clock.
    public var now: @Sendable () -> Timestamp
    /// Whether this is a trial: nothing outside may be changed for good.
    public var isDryRun: Bool

    /// A context; by default with the process's own metrics and clock.
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

/// Why a filter or a transform cannot work on a message.
public struct StageError: Error, CustomStringConvertible {
    /// The reason for people: what is wrong.
    public let description: String
    /// Whether it may work later on the same message, as where a rate is exceeded; otherwise the message is refused.
    public let isTransient: Bool
    /// Where it may work later: not before this has passed.
    public let retryAfter: Duration?

    /// The message is such that it never will work.
    public init(_ reason: String) { (description, isTransient, retryAfter) = (reason, false, nil) }

    /// It may work later.
    public init(transient reason: String, retryAfter: Duration? = nil) {
        (description, isTransient, self.retryAfter) = (reason, true, retryAfter)
    }
}
