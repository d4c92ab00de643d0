/// An argument, option or flag, as data.
public struct ArgumentSpec: Sendable, Equatable {
    /// Its names with their dashes, the longest last; none where it is known by its place.
    public var names: [String] = []
    /// What its value is called; nil for a flag.
    public var valueName: String?
    /// What it is for.
    public var help: String
    /// Whether it has to be given.
    public var isRequired = false
    /// Whether it takes several values.
    public var isRepeated = false
    /// All values that there are, where that is a list.
    public var values: [String] = []
    /// Its default, as it would be written.
    public var defaultText: String?
    /// How its value is completed.
    public var completion = Completion.values

    var isPositional: Bool { names.isEmpty }
    var isFlag: Bool { valueName == nil }

    /// As help names it: `-o, --output <output>`.
    var label: String {
        let names = names.joined(separator: ", ")
        guard let valueName else { return names }
        return names.isEmpty ? "<\(valueName)>" : "\(names) <\(valueName)>"
    }

    /// As a message names it: `--output <output>`, `<file> ...`.
    var synopsis: String {
        let named = named(names.last)
        return isRepeated ? "\(named) ..." : named
    }

    /// As the line of usage has it, in brackets where it may be left out.
    var usage: String { isRequired ? synopsis : "[\(synopsis)]" }

    /// By one of its names.
    func named(_ name: String?) -> String {
        guard let valueName else { return name ?? "" }
        return name.map { "\($0) <\(valueName)>" } ?? "<\(valueName)>"
    }

    /// What it is for, with its values and its default.
    var fullHelp: String {
        var notes: [String] = []
        if !values.isEmpty { notes.append("values: \(values.joined(separator: ", "))") }
        if let defaultText, !defaultText.isEmpty { notes.append("default: \(defaultText)") }
        guard !notes.isEmpty else { return help }
        return "\(help)\(help.isEmpty ? "" : " ")(\(notes.joined(separator: "; ")))"
    }
}

/// A command with its subcommands, as data: what help, messages, completions and man pages are made of.
public struct CommandSpec: Sendable {
    /// The words that name it, from the program's on.
    public let path: [String]
    /// What it does, in one sentence.
    public let abstract: String
    /// All that is to be said.
    public let discussion: String
    /// What `--version` prints; nil for all but the outermost command.
    public let version: String?
    /// Its arguments, those that every command has last.
    public let arguments: [ArgumentSpec]
    /// Its commands.
    public let subcommands: [CommandSpec]

    /// Describes a command.
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

    /// The words that name it, as one would write them.
    public var name: String { path.joined(separator: " ") }

    /// The command of this and its descendants that further words name.
    func descendant(_ words: some Sequence<String>) -> CommandSpec? {
        words.reduce(Optional(self)) { command, word in
            command?.subcommands.first { $0.path.last == word }
        }
    }

    /// This and all below it, from the outermost inwards.
    var all: [CommandSpec] { [self] + subcommands.flatMap(\.all) }
}

/// The options that commands have without declaring them.
enum BuiltIn {
    static let help = ArgumentSpec(names: ["-h", "--help"], help: "Show help information.")
    static let version = ArgumentSpec(names: ["--version"], help: "Print the version.")
    static let completionScript = ArgumentSpec(
        names: ["--generate-completion-script"], valueName: "shell",
        help: "Print completions for a shell; else for the one that is used.", values: Shell.allCases.map(\.rawValue))
    static let manPage = ArgumentSpec(
        names: ["--generate-man-page"], valueName: "subcommand",
        help: "Print the man page of a subcommand; without one that of the whole program.", isRepeated: true)

    /// The word with which a command line may begin instead.
    static let helpCommand = "help"

    static func specs(isRoot: Bool, hasVersion: Bool) -> [ArgumentSpec] {
        isRoot ? (hasVersion ? [version] : []) + [completionScript, manPage, help] : [help]
    }
}

/// A shell for which there are completions.
public enum Shell: String, Sendable, CaseIterable {
    /// One of them.
    case zsh, bash, fish
}
