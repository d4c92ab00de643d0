/// The script for a shell that completes a program's command line without running the program.
public struct CompletionScript: Sendable {
    let root: CommandSpec

    /// Makes the completions of a root command.
    public init(_ root: CommandSpec) { self.root = root }

    /// Returns the script for a shell.
    public func text(for shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    /// The name of the program.
    var program: String { root.path[0] }

    /// The prefix of the script's functions.
    var prefix: String { "_\(Self.identifier(program))" }

    /// Returns the subcommands of a command, including `help` for the root.
    func subcommands(of command: CommandSpec) -> [(name: String, help: String)] {
        let own = command.subcommands.map { (name: $0.path[$0.path.count - 1], help: $0.abstract) }
        guard command.path == root.path, !own.isEmpty else { return own }
        return own + [(name: BuiltIn.helpCommand, help: "Show what a subcommand does.")]
    }

    /// Returns a name without characters that function names cannot have.
    static func identifier(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    /// Quotes a word: for bash, zsh and (without backslashes and quotes) fish.
    static func quoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }
}
