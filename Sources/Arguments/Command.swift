/// Options, flags and arguments that belong together: those of a command, or some that several commands share by `@OptionGroup`.
///
/// They are properties behind `@Argument`, `@Option`, `@Flag` and `@OptionGroup`, in the order in which help shows them.
public protocol ArgumentGroup: Sendable {
    /// One that holds the defaults.
    init()

    /// Checks the values together, after all of them were read; groups first, then what they belong to.
    ///
    /// - Throws: a `ValidationError` where they do not fit.
    func validate() throws
}

extension ArgumentGroup {
    /// Everything fits.
    public func validate() throws {}
}

/// A command: its options as data, and what it does. One with subcommands has no arguments of its own and does nothing itself.
///
/// Parsing, help, mistakes, completions for shells and man pages all come from the one declaration (`CommandSpec`).
public protocol Command: ArgumentGroup {
    /// Its name and its texts.
    static var configuration: CommandConfiguration { get }

    /// Does the work, once, after `validate`.
    ///
    /// - Throws: a `ValidationError` where an argument is not as it has to be, a `CommandFailure` where the work cannot be done, an
    ///   `ExitCode` where everything was said. Anything else is printed, and the status is 1.
    func run() async throws
}

extension Command {
    /// What a command with subcommands does.
    public func run() async throws {}
}

/// The name and the texts of a command, and its subcommands.
public struct CommandConfiguration: Sendable {
    let commandName: String
    let abstract: String
    let discussion: String
    let version: String?
    let subcommands: [any Command.Type]

    /// A configuration.
    ///
    /// - Parameters:
    ///   - commandName: the word by which it is called.
    ///   - abstract: what it does, in one sentence.
    ///   - discussion: all that is to be said. A blank line ends a paragraph; indented lines are examples.
    ///   - version: what `--version` prints; of the outermost command only.
    ///   - subcommands: its commands, in the order in which help shows them.
    public init(
        commandName: String, abstract: String, discussion: String = "", version: String? = nil,
        subcommands: [any Command.Type] = []
    ) {
        self.commandName = commandName
        self.abstract = abstract
        self.discussion = discussion
        self.version = version
        self.subcommands = subcommands
    }
}
