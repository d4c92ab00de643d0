/// The action of a command line.
public enum Invocation: Sendable {
    /// Run a command with validated values.
    case run(any Command, CommandSpec)
    /// Print the help of a command.
    case help(CommandSpec)
    /// Print the version.
    case version(String)
    /// Print completions for a shell; nil to detect it.
    case completionScript(Shell?, CommandSpec)
    /// Print a manual page.
    case manPage(CommandSpec)
}

extension Command {
    /// Parses a command line with this root command.
    ///
    /// - Parameter words: the arguments without the program's name.
    /// - Throws: `UsageError`, or the errors of `validate`.
    public static func parse(_ words: [String]) throws -> Invocation {
        let root = CommandSpec(self)
        var (command, spec, rest) = (self as any Command.Type, root, words[...])
        if let word = rest.first, word == BuiltIn.helpCommand, !root.subcommands.isEmpty {
            return .help(try find(rest.dropFirst(), below: root))
        }
        while !spec.subcommands.isEmpty {
            // Only the root command accepts options before a subcommand.
            guard let word = rest.first, word != "--" else { break }
            if word.isOption { return try parseBuiltIn(rest, of: spec) }
            let index = spec.subcommands.firstIndex { $0.path.last == word }
            guard let index else { throw unknown(word, in: spec) }
            (command, spec) = (command.configuration.subcommands[index], spec.subcommands[index])
            rest = rest.dropFirst()
        }
        guard spec.subcommands.isEmpty else {
            let unexpected = rest.filter { $0 != "--" }
            guard unexpected.isEmpty else { throw Parser.unexpected(unexpected, in: spec) }
            return .help(spec)
        }
        if rest.prefix(while: { $0 != "--" }).contains(where: Parser.asksForHelp) { return .help(spec) }
        if spec.path == root.path, let first = rest.first, first.isOption,
            BuiltIn.isRootOption(first.optionName, of: spec)
        {
            return try parseBuiltIn(rest, of: spec)
        }
        return try Parser.parse(rest, as: command, spec)
    }

    /// Parses a built-in action in place of a command.
    private static func parseBuiltIn(_ words: ArraySlice<String>, of spec: CommandSpec) throws -> Invocation {
        guard let first = words.first else { return .help(spec) }
        if words.prefix(while: { $0 != "--" }).contains(where: Parser.asksForHelp) { return .help(spec) }
        guard let option = spec.arguments.first(where: { $0.names.contains(first.optionName) }) else {
            throw Parser.unknownOption(first, in: spec)
        }
        let given = first.optionValue.map { [$0] } ?? []
        let rest = given + words.dropFirst()
        switch option {
        case BuiltIn.version:
            if let value = given.first { throw Parser.takesNoValue(option.names[0], value, in: spec) }
            guard rest.isEmpty else { throw Parser.unexpected(rest, in: spec) }
            return .version(spec.version ?? "")
        case BuiltIn.completionScript:
            guard rest.count <= 1 else { throw Parser.unexpected(Array(rest.dropFirst()), in: spec) }
            guard let name = rest.first, !name.isEmpty else { return .completionScript(nil, spec) }
            guard let shell = Shell(rawValue: name) else { throw UsageError.unknownShell(name, in: spec) }
            return .completionScript(shell, spec)
        default: return .manPage(try find(rest, below: spec))
        }
    }

    /// Finds the command with these names.
    private static func find(_ words: some Sequence<String>, below root: CommandSpec) throws -> CommandSpec {
        var command = root
        for word in words {
            if word.isOption {
                if Parser.asksForHelp(word) { return command }
                throw Parser.unknownOption(word, in: root)
            }
            guard let next = command.descendant([word]) else { throw unknown(word, in: command) }
            command = next
        }
        return command
    }

    private static func unknown(_ word: String, in spec: CommandSpec) -> UsageError {
        guard !spec.subcommands.isEmpty else { return Parser.unexpected([word], in: spec) }
        let names = spec.subcommands.compactMap(\.path.last)
        return UsageError("Unknown subcommand '\(word)'\(Suggestion.text(for: word, among: names))", in: spec)
    }
}

extension BuiltIn {
    fileprivate static func isRootOption(_ name: String, of spec: CommandSpec) -> Bool {
        spec.arguments.contains { [version, completionScript, manPage].contains($0) && $0.names.contains(name) }
    }
}

/// Parses the arguments of one command.
private struct Parser {
    private let spec: CommandSpec
    private let arguments: [BoundArgument]
    /// The given arguments, by their index in `arguments`.
    private var given: Set<Int> = []
    /// The words that are no options.
    private var positionals: [String] = []

    static func parse(_ words: ArraySlice<String>, as type: any Command.Type, _ spec: CommandSpec) throws -> Invocation
    {
        let command = type.init()
        var parser = Parser(spec: spec, arguments: command.boundArguments)
        try parser.readOptions(words)
        let rest = try parser.readPositionals()
        try parser.checkRequired()
        guard rest.isEmpty else { throw Self.unexpected(rest, in: spec) }
        do {
            try command.validateAll()
        } catch let error as ValidationError {
            throw UsageError(error.description, in: spec)
        }
        return .run(command, spec)
    }

    private init(spec: CommandSpec, arguments: [BoundArgument]) {
        self.spec = spec
        self.arguments = arguments
    }

    private mutating func readOptions(_ words: ArraySlice<String>) throws {
        var rest = words
        while let word = rest.popFirst() {
            if word == "--" {
                positionals += rest
                return
            }
            guard word.isOption else {
                positionals.append(word)
                continue
            }
            let name = word.optionName
            guard let index = arguments.firstIndex(where: { $0.spec.names.contains(name) }) else {
                throw Self.unknownOption(word, in: spec)
            }
            let argument = arguments[index]
            if argument.spec.isFlag {
                if let value = word.optionValue { throw Self.takesNoValue(name, value, in: spec) }
                _ = argument.take("")
            } else if let value = word.optionValue {
                guard !value.isEmpty else { throw missingValue(argument, name) }
                try take(value, argument, name)
            } else {
                // A word that looks like an option is one; write `--rate=-1` for such values.
                guard let value = rest.first, !value.isOption else { throw missingValue(argument, name) }
                rest.removeFirst()
                try take(value, argument, name)
            }
            given.insert(index)
        }
    }

    /// - Returns: the words without an argument to take them.
    private mutating func readPositionals() throws -> [String] {
        var rest = positionals[...]
        for (index, argument) in arguments.enumerated() where argument.spec.isPositional {
            while let word = rest.popFirst() {
                try take(word, argument, nil)
                given.insert(index)
                if !argument.spec.isRepeated { break }
            }
        }
        return Array(rest)
    }

    private func checkRequired() throws {
        for (index, argument) in arguments.enumerated() where argument.spec.isRequired && !given.contains(index) {
            throw UsageError(
                "Missing expected argument '\(argument.spec.synopsis)'",
                about: (argument.spec.label, argument.spec.help),
                in: spec)
        }
    }

    private func take(_ value: String, _ argument: BoundArgument, _ name: String?) throws {
        guard !argument.take(value) else { return }
        let label = argument.spec.named(name)
        throw UsageError(
            "The value '\(value)' is invalid for '\(label)'\(Self.choice(argument.spec.values))",
            about: (label, argument.spec.help), in: spec)
    }

    /// Returns the possible values as text.
    private static func choice(_ values: [String]) -> String {
        let quoted = values.map { "'\($0)'" }
        switch quoted.count {
        case 0: return ""
        case 1: return ". Please provide one of \(quoted[0])."
        case 2: return ". Please provide one of \(quoted[0]) and \(quoted[1])."
        case 3...5:
            return
                ". Please provide one of \(quoted.dropLast().joined(separator: ", ")) or \(quoted[quoted.count - 1])."
        default:
            return ". Please provide one of the following:" + values.map { "\n  - \($0)" }.joined()
        }
    }

    // MARK: - Mistakes

    private func missingValue(_ argument: BoundArgument, _ name: String) -> UsageError {
        let label = argument.spec.named(name)
        return UsageError("Missing value for '\(label)'", about: (label, argument.spec.help), in: spec)
    }

    static func takesNoValue(_ name: String, _ value: String, in spec: CommandSpec) -> UsageError {
        UsageError("The option '\(name)' does not take any value, but '\(value)' was specified.", in: spec)
    }

    static func unknownOption(_ word: String, in spec: CommandSpec) -> UsageError {
        let name = word.optionName
        let known = spec.arguments.flatMap(\.names)
        // With joined values, `-output` would write to a file named `utput`.
        let isJoined = !word.hasPrefix("--") && known.contains(String(word.prefix(2)))
        let nearest = isJoined ? nil : Suggestion.text(for: name, among: known.filter { $0.hasPrefix("--") })
        let text = nearest ?? ". Did you mean '\(word.prefix(2)) \(word.dropFirst(2))'?"
        return UsageError("Unknown option '\(name)'\(text)", in: spec)
    }

    static func unexpected(_ words: [String], in spec: CommandSpec) -> UsageError {
        let quoted = words.map { "'\($0)'" }.joined(separator: ", ")
        let count = words.count == 1 ? "Unexpected argument" : "\(words.count) unexpected arguments:"
        return UsageError("\(count) \(quoted)", in: spec)
    }

    static func asksForHelp(_ word: String) -> Bool {
        word.isOption && BuiltIn.help.names.contains(word.optionName)
    }
}

extension String {
    /// Whether the word looks like an option; `-` alone stands for standard input.
    fileprivate var isOption: Bool { utf8.first == UInt8(ascii: "-") && utf8.count > 1 }

    /// The part before `=`.
    fileprivate var optionName: String {
        utf8.firstIndex(of: UInt8(ascii: "=")).map { String(self[..<$0]) } ?? self
    }

    /// The part after `=`; nil without one.
    fileprivate var optionValue: String? {
        utf8.firstIndex(of: UInt8(ascii: "=")).map { String(self[utf8.index(after: $0)...]) }
    }
}
