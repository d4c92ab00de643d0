/// What a command line asks for.
public enum Invocation: Sendable {
    /// To run a command, whose values were read and validated.
    case run(any Command, CommandSpec)
    /// To say what a command does.
    case help(CommandSpec)
    /// To say which version this is.
    case version(String)
    /// To print completions for a shell; nil where that is to be found out.
    case completionScript(Shell?, CommandSpec)
    /// To print a man page.
    case manPage(CommandSpec)
}

extension Command {
    /// Reads a command line, of which this is the outermost command.
    ///
    /// - Parameter words: the arguments, without the program's name.
    /// - Throws: a `UsageError`, or what `validate` throws else.
    public static func parse(_ words: [String]) throws -> Invocation {
        let root = CommandSpec(self)
        var (command, spec, rest) = (self as any Command.Type, root, words[...])
        if let word = rest.first, word == BuiltIn.helpCommand, !root.subcommands.isEmpty {
            return .help(try find(rest.dropFirst(), below: root))
        }
        while !spec.subcommands.isEmpty {
            // What stands before a subcommand can only be asked of the outermost one.
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

    /// What is asked where a command would stand.
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

    /// The command that words name.
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

/// Reads the arguments of one command.
private struct Parser {
    private let spec: CommandSpec
    private let arguments: [BoundArgument]
    /// The arguments that were given, by their places in `arguments`.
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
                // What looks like an option is one; `--rate=-1` is for values that look so.
                guard let value = rest.first, !value.isOption else { throw missingValue(argument, name) }
                rest.removeFirst()
                try take(value, argument, name)
            }
            given.insert(index)
        }
    }

    /// - Returns: the words for which there is no place.
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

    /// Which values there are.
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
        // A value that stands directly behind `-o` would be written into a file `utput` where `-output` was meant.
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
    /// Whether it is written like an option; `-` alone stands for standard input.
    fileprivate var isOption: Bool { utf8.first == UInt8(ascii: "-") && utf8.count > 1 }

    /// The part in front of `=`.
    fileprivate var optionName: String {
        utf8.firstIndex(of: UInt8(ascii: "=")).map { String(self[..<$0]) } ?? self
    }

    /// The part behind `=`; nil where there is none.
    fileprivate var optionValue: String? {
        utf8.firstIndex(of: UInt8(ascii: "=")).map { String(self[utf8.index(after: $0)...]) }
    }
}
