/// The script that a shell reads to complete a program's command line. It asks nothing of the program when it completes.
public struct CompletionScript: Sendable {
    let root: CommandSpec

    /// Completions of a program, of which this is the outermost command.
    public init(_ root: CommandSpec) { self.root = root }

    /// The script for a shell.
    public func text(for shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    /// The program.
    var program: String { root.path[0] }

    /// The name under which the script's functions begin.
    var prefix: String { "_\(Self.identifier(program))" }

    /// The subcommands of a command, `help` among those of the program.
    func subcommands(of command: CommandSpec) -> [(name: String, help: String)] {
        let own = command.subcommands.map { (name: $0.path[$0.path.count - 1], help: $0.abstract) }
        guard command.path == root.path, !own.isEmpty else { return own }
        return own + [(name: BuiltIn.helpCommand, help: "Show what a subcommand does.")]
    }

    /// A name without what a function's name cannot have.
    static func identifier(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    /// A word of a shell that stands for just these characters: in bash, zsh and (without a backslash or quote in it) fish.
    static func quoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }
}
