/// A group of options, flags and arguments: those of a command, or some that several commands share with
/// `@OptionGroup`.
///
/// They are properties with `@Argument`, `@Option`, `@Flag` and `@OptionGroup`, in the order of the help.
public protocol ArgumentGroup: Sendable {
    /// Makes a group with defaults.
    init()

    /// Validates the values together after parsing; groups first, then the command.
    ///
    /// - Throws: `ValidationError` if they are invalid.
    func validate() throws
}

extension ArgumentGroup {
    /// Accepts all values.
    public func validate() throws {}
}

/// A command: its declared options, and its action. A command with subcommands has no arguments and no action.
///
/// Parsing, help, errors, shell completions and man pages are derived from the declaration (`CommandSpec`).
public protocol Command: ArgumentGroup {
    /// The name and texts.
    static var configuration: CommandConfiguration { get }

    /// Runs the command after `validate`.
    ///
    /// - Throws: `ValidationError` for an invalid argument, `CommandFailure` for a failure, `ExitCode` if everything
    ///   was printed. Other errors are printed, and the exit status is 1.
    func run() async throws
}

extension Command {
    /// Does nothing, for commands with subcommands.
    public func run() async throws {}
}

/// The name, texts and subcommands of a command.
public struct CommandConfiguration: Sendable {
    let commandName: String
    let abstract: String
    let discussion: String
    let version: String?
    let subcommands: [any Command.Type]

    /// - Parameters:
    ///   - commandName: the name on the command line.
    ///   - abstract: what it does, in one sentence.
    ///   - discussion: the full description. Blank lines separate paragraphs; indented lines are examples.
    ///   - version: the output of `--version`; for the root command only.
    ///   - subcommands: the subcommands in the order of the help.
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
