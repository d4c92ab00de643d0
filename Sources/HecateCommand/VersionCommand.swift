import ArgumentParser

/// `hecate version`.
struct VersionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    /// The version of this tree.
    static let version = "0.1.0"

    func run() async throws { print("hecate \(Self.version)") }
}
