/// A manual page in man(7) format: of a subcommand, or of the program with all its commands.
public struct ManPage: Sendable {
    private let command: CommandSpec
    private let root: CommandSpec
    private let date: String

    /// - Parameters:
    ///   - command: the command to describe.
    ///   - root: the root command.
    ///   - date: the date in its footer, as 2026-01-31.
    public init(_ command: CommandSpec, of root: CommandSpec, date: String) {
        self.command = command
        self.root = root
        self.date = date
    }

    /// Returns the name of the page for `man`.
    private static func name(of command: CommandSpec) -> String { command.path.joined(separator: "-") }

    /// The page.
    public var text: String {
        let name = Self.name(of: command)
        let origin = root.version ?? root.name
        var page = Roff()
        page.title([name.uppercased(), "1", date, origin, "User Commands"])
        page.request("SH", ["NAME"])
        page.text("\(Roff.escaped(name)) \\- \(Roff.escaped(Self.withoutStop(command.abstract)))", isEscaped: true)
        page.request("SH", ["SYNOPSIS"])
        page.synopsis(command)
        page.request("SH", ["DESCRIPTION"])
        page.text(command.abstract)
        page.discussion(command.discussion)
        Self.arguments(of: command, as: "SH", into: &page)
        if !command.subcommands.isEmpty { commands(into: &page) }
        page.request("SH", ["EXIT STATUS"])
        for (status, meaning) in [
            ("0", "All went well."), ("1", "It did not."),
            ("2", "The arguments or a file are not as they have to be."),
        ] {
            page.item("\\fB\(status)\\fR", meaning)
        }
        let others = related
        if !others.isEmpty {
            page.request("SH", ["SEE ALSO"])
            for (index, other) in others.enumerated() {
                page.request("BR", [Self.name(of: other), "(1)" + (index < others.count - 1 ? "," : "")])
            }
        }
        return page.text
    }

    /// Appends all commands to the program's page.
    private func commands(into page: inout Roff) {
        page.request("SH", ["COMMANDS"])
        for subcommand in command.all.dropFirst() {
            page.request("SS", [subcommand.name])
            page.synopsis(subcommand)
            page.request("PP")
            page.text(subcommand.abstract)
            page.discussion(subcommand.discussion)
            Self.arguments(of: subcommand, as: nil, into: &page)
        }
    }

    /// The pages of the parent and child commands; the program's page has all commands itself.
    private var related: [CommandSpec] {
        guard command.path != root.path else { return [] }
        let parents = (1..<command.path.count).compactMap { count in root.descendant(command.path[1..<count]) }
        return parents + command.subcommands
    }

    private static func arguments(of command: CommandSpec, as section: String?, into page: inout Roff) {
        for (title, arguments) in [
            ("ARGUMENTS", command.arguments.filter(\.isPositional)),
            ("OPTIONS", command.arguments.filter { !$0.isPositional }),
        ] where !arguments.isEmpty {
            // The program's page describes the common option once.
            let shown = section == nil ? arguments.filter { $0 != BuiltIn.help } : arguments
            if let section { page.request(section, [title]) }
            for argument in shown { page.item(Roff.label(of: argument), argument.fullHelp) }
        }
    }

    private static func withoutStop(_ text: String) -> String { text.hasSuffix(".") ? String(text.dropLast()) : text }
}

/// A text in man(7) format for groff and mandoc.
private struct Roff {
    private(set) var text = ""

    /// Appends a request with quoted arguments.
    mutating func request(_ name: String, _ arguments: [String] = []) {
        let words = arguments.map { argument in
            let escaped = Self.escaped(argument)
            return argument.isEmpty || argument.contains(" ") ? "\"\(escaped)\"" : escaped
        }
        text += ([".\(name)"] + words).joined(separator: " ") + "\n"
    }

    /// Appends the title line, in which hyphens are literal.
    mutating func title(_ words: [String]) {
        let quoted = words.map { word in "\"\(word.filter { !"\"\\\n".contains($0) })\"" }
        text += ".TH \(quoted.joined(separator: " "))\n"
    }

    /// Appends a paragraph, broken into lines of portable length.
    mutating func text(_ paragraph: String, isEscaped: Bool = false) {
        let escaped = isEscaped ? paragraph : Self.escaped(paragraph)
        for line in HelpText.wrapped(escaped, to: 78).split(separator: "\n") { self.line(line) }
    }

    /// Appends a line that is no request, however it begins.
    private mutating func line(_ line: Substring) {
        text += "\(line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" : "")\(line)\n"
    }

    /// Appends paragraphs separated by blank lines, and indented lines unchanged.
    mutating func discussion(_ discussion: String) {
        var paragraph: [Substring] = []
        var example: [Substring] = []
        func isIndented(_ line: Substring) -> Bool { line.hasPrefix(" ") }
        func end(_ roff: inout Roff) {
            if !paragraph.isEmpty {
                roff.request("PP")
                roff.text(paragraph.joined(separator: " "))
            }
            while example.last?.isEmpty ?? false { example.removeLast() }
            if !example.isEmpty {
                roff.request("PP")
                roff.request("nf")
                for line in example { roff.line(Substring(Self.escaped(String(line)))) }
                roff.request("fi")
            }
            (paragraph, example) = ([], [])
        }
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false) {
            if isIndented(line) {
                if !paragraph.isEmpty { end(&self) }
                example.append(line)
            } else if line.isEmpty {
                end(&self)
            } else {
                if !example.isEmpty { end(&self) }
                paragraph.append(line)
            }
        }
        end(&self)
    }

    /// Appends the synopsis with the command in bold.
    mutating func synopsis(_ command: CommandSpec) {
        text += "\\fB\(Self.escaped(command.name))\\fR\n"
        if !command.subcommands.isEmpty { return text += "\\fIsubcommand\\fR\n" }
        for argument in command.arguments where !BuiltIn.specs(isRoot: true, hasVersion: true).contains(argument) {
            let dots = argument.isRepeated ? " ...\\&" : ""
            let label = Self.label(of: argument, names: argument.names.suffix(1)) + dots
            line(Substring(argument.isRequired ? label : "[\(label)]"))
        }
    }

    /// Appends a term with its explanation.
    mutating func item(_ term: String, _ explanation: String) {
        request("TP")
        line(Substring(term))
        text(explanation.isEmpty ? "\\&" : explanation, isEscaped: explanation.isEmpty)
    }

    /// Returns the names of an argument in bold with its value in italics.
    static func label(of argument: ArgumentSpec, names: [String]? = nil) -> String {
        let names = (names ?? argument.names).map { "\\fB\(escaped($0))\\fR" }.joined(separator: ", ")
        guard let value = argument.valueName.map({ "\\fI\(escaped($0))\\fR" }) else { return names }
        return names.isEmpty ? value : "\(names) \(value)"
    }

    /// Escapes a text so that it is literal and can be copied from a terminal.
    static func escaped(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\e"
            case "-": "\\-"
            case "'": "\\(aq"
            case "\"": "\\(dq"
            case "`": "\\(ga"
            case "^": "\\(ha"
            case "~": "\\(ti"
            case "\n": "\n"
            case " "..."~": String(scalar)
            default: "\\[u\(Self.hexadecimal(scalar.value))]"
            }
        }.joined()
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
