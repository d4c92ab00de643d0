/// The description of an argument, option or flag.
public struct ArgumentSpec: Sendable, Equatable {
    /// The names with dashes, the longest last; empty for a positional argument.
    public var names: [String] = []
    /// The name of the value; nil for a flag.
    public var valueName: String?
    public var help: String
    /// Whether it is required.
    public var isRequired = false
    /// Whether it accepts several values.
    public var isRepeated = false
    /// All possible values, if there is a list.
    public var values: [String] = []
    /// The default as a user would write it.
    public var defaultText: String?
    /// How a shell completes the value.
    public var completion = Completion.values

    var isPositional: Bool { names.isEmpty }
    var isFlag: Bool { valueName == nil }

    /// The label in the help: `-o, --output <output>`.
    var label: String {
        let names = names.joined(separator: ", ")
        guard let valueName else { return names }
        return names.isEmpty ? "<\(valueName)>" : "\(names) <\(valueName)>"
    }

    /// The label in messages: `--output <output>`, `<file> ...`.
    var synopsis: String {
        let named = named(names.last)
        return isRepeated ? "\(named) ..." : named
    }

    /// The label in the usage line, in brackets if optional.
    var usage: String { isRequired ? synopsis : "[\(synopsis)]" }

    /// Returns the label with one of its names.
    func named(_ name: String?) -> String {
        guard let valueName else { return name ?? "" }
        return name.map { "\($0) <\(valueName)>" } ?? "<\(valueName)>"
    }

    /// The help with the possible values and the default.
    var fullHelp: String {
        var notes: [String] = []
        if !values.isEmpty { notes.append("values: \(values.joined(separator: ", "))") }
        if let defaultText, !defaultText.isEmpty { notes.append("default: \(defaultText)") }
        guard !notes.isEmpty else { return help }
        return "\(help)\(help.isEmpty ? "" : " ")(\(notes.joined(separator: "; ")))"
    }
}

/// The description of a command and its subcommands, from which help, messages, completions and man pages are made.
public struct CommandSpec: Sendable {
    /// The names from the program to this command.
    public let path: [String]
    /// What it does, in one sentence.
    public let abstract: String
    /// The full description.
    public let discussion: String
    /// The output of `--version`; nil except for the root command.
    public let version: String?
    /// The arguments, with the common ones last.
    public let arguments: [ArgumentSpec]
    public let subcommands: [CommandSpec]

    public init(_ command: any Command.Type) { self.init(command, below: []) }

    init(_ command: any Command.Type, below parents: [String]) {
        let configuration = command.configuration
        path = parents + [configuration.commandName]
        abstract = configuration.abstract
        discussion = configuration.discussion
        version = parents.isEmpty ? configuration.version : nil
        let own = command.init().boundArguments.map(\.spec)
        precondition(
            own.isEmpty || configuration.subcommands.isEmpty, "a command has subcommands or arguments, not both")
        arguments = own + BuiltIn.specs(isRoot: parents.isEmpty, hasVersion: version != nil)
        subcommands = configuration.subcommands.map { [path] in CommandSpec($0, below: path) }
    }

    /// The full name as a user would write it.
    public var name: String { path.joined(separator: " ") }

    /// Returns the descendant with these names.
    func descendant(_ words: some Sequence<String>) -> CommandSpec? {
        words.reduce(Optional(self)) { command, word in
            command?.subcommands.first { $0.path.last == word }
        }
    }

    /// This command and all its descendants, outermost first.
    var all: [CommandSpec] { [self] + subcommands.flatMap(\.all) }
}

/// The options that all commands have.
enum BuiltIn {
    static let help = ArgumentSpec(names: ["-h", "--help"], help: "Show help information.")
    static let version = ArgumentSpec(names: ["--version"], help: "Print the version.")
    static let completionScript = ArgumentSpec(
        names: ["--generate-completion-script"], valueName: "shell",
        help: "Print completions for a shell; else for the one that is used.", values: Shell.allCases.map(\.rawValue))
    static let manPage = ArgumentSpec(
        names: ["--generate-man-page"], valueName: "subcommand",
        help: "Print the man page of a subcommand; without one that of the whole program.", isRepeated: true)

    /// The word for help in place of a command.
    static let helpCommand = "help"

    static func specs(isRoot: Bool, hasVersion: Bool) -> [ArgumentSpec] {
        isRoot ? (hasVersion ? [version] : []) + [completionScript, manPage, help] : [help]
    }
}

/// A shell with completions.
public enum Shell: String, Sendable, CaseIterable {
    case zsh, bash, fish
}
