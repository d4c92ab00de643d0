/// The output of `--help`.
public struct HelpText: Sendable {
    private let command: CommandSpec

    /// The column of the descriptions.
    private static let column = 26

    public init(_ command: CommandSpec) { self.command = command }

    /// The usage line. For a command with many options, only the required ones.
    var usage: String {
        if !command.subcommands.isEmpty { return "\(command.name) <subcommand>" }
        let own = command.arguments.filter { !BuiltIn.specs(isRoot: true, hasVersion: true).contains($0) }
        guard own.count > Self.maximumInUsage else { return words(own.map(\.usage)) }
        let needed = own.filter { $0.isPositional || $0.isRequired }
        guard !needed.isEmpty, needed.count <= Self.maximumInUsage else { return "\(command.name) <options>" }
        return words(["[<options>]"] + needed.map(\.usage))
    }

    private static let maximumInUsage = 12

    private func words(_ words: [String]) -> String { ([command.name] + words).joined(separator: " ") }

    /// Returns the text wrapped at a width; the usage stays on one line.
    public func text(width: Int) -> String {
        var text = Self.wrapped("OVERVIEW: \(command.abstract)", to: width) + "\n\n"
        if !command.discussion.isEmpty { text += Self.wrapped(command.discussion, to: width) + "\n\n" }
        text += "USAGE: \(usage)\n\n"
        let rows = { (arguments: [ArgumentSpec]) in arguments.map { (label: $0.label, help: $0.fullHelp) } }
        text += Self.section("ARGUMENTS", rows(command.arguments.filter(\.isPositional)), width)
        text += Self.section("OPTIONS", rows(command.arguments.filter { !$0.isPositional }), width)
        guard !command.subcommands.isEmpty else { return String(text.dropLast()) }
        text += Self.section(
            "SUBCOMMANDS", command.subcommands.map { (label: $0.path[$0.path.count - 1], help: $0.abstract) }, width)
        let path = ([command.path[0], BuiltIn.helpCommand] + command.path.dropFirst()).joined(separator: " ")
        return text + "  See '\(path) <subcommand>' for detailed help."
    }

    private static func section(_ title: String, _ rows: [(label: String, help: String)], _ width: Int) -> String {
        guard !rows.isEmpty else { return "" }
        return "\(title):\n" + rows.map { row($0.label, $0.help, width) + "\n" }.joined() + "\n"
    }

    private static func row(_ label: String, _ help: String, _ width: Int) -> String {
        let label = "  \(label)"
        guard !help.isEmpty else { return label }
        let margin = String(repeating: " ", count: column)
        let text = wrapped(help, to: width - column).split(separator: "\n").map { margin + $0 }.joined(separator: "\n")
        guard label.count < column else { return "\(label)\n\(text)" }
        return label + text.dropFirst(label.count)
    }

    /// Wraps lines at spaces to a width where possible; keeps existing lines.
    static func wrapped(_ text: String, to width: Int) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
            var lines: [Substring] = []
            var rest = line
            while rest.count > width {
                let head = rest.prefix(width)
                guard let space = head.lastIndex(of: " ") ?? rest.firstIndex(of: " ") else { break }
                lines.append(rest[..<space])
                rest = rest[rest.index(after: space)...]
            }
            return lines + [rest]
        }.joined(separator: "\n")
    }
}
