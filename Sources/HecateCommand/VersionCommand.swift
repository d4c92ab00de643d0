import Arguments

/// `hecate version`: prints the version.
struct VersionCommand: Command {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    /// The version of this source tree.
    static let version = "0.1.0"

    /// The text that is printed.
    static let text = "hecate \(version)"

    func run() async throws { print(Self.text) }
}
