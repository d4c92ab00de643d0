import Arguments

/// `hecate version`.
struct VersionCommand: Command {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    /// The version of this tree.
    static let version = "0.1.0"

    /// What is printed of it.
    static let text = "hecate \(version)"

    func run() async throws { print(Self.text) }
}
