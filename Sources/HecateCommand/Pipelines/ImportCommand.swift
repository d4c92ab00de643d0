import Arguments
import Locking
import PipelineFile
import PipelineKit
import Wire

/// `hecate import`: converts the original gateway's configuration to a pipeline file.
struct ImportCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Convert the original gateway's hecate.yaml to a pipeline file.",
        discussion: """
            Prints a pipeline file that does the same, and on standard error what has no counterpart and why. Secrets are not copied: the
            file asks for them with ${...}, and what has to be set is said.
            """)

    @Argument(
        help: ArgumentHelp("The original's configuration.", valueName: "hecate.yaml"),
        completion: .file(extensions: ["yaml"]))
    var file: String
    @Arguments.Option(
        name: .shortAndLong, help: "Write to this file, which must not exist; by default standard output.",
        completion: .file())
    var output: String?

    func run() async throws {
        let (root, report) = PipelineFile.tree(of: file)
        if !report.description.isEmpty { Console.error(report.description) }
        guard let root, !report.hasErrors else { throw ExitCode.badConfiguration }
        guard case .map = root.content else {
            Console.error("\(file): error: this is no configuration of the original gateway: a map is expected")
            throw ExitCode.badConfiguration
        }
        guard OriginalConfiguration.isOriginalConfiguration(root) else {
            Console.error(
                "\(file): error: this is no configuration of the original gateway: it has none of servers, fqdn, aws, migration, argus"
            )
            throw ExitCode.badConfiguration
        }
        let imported = OriginalConfiguration(root)
        if let output {
            guard !Files.exists(output) else {
                Console.error("error: '\(output)' exists already; name another file or remove it")
                throw ExitCode.failure
            }
            try Files.replace(output, with: Array(imported.pipeline.utf8))
        } else {
            print(imported.pipeline, terminator: "")
        }
        for note in imported.notes { Console.error("\(file):\(note)") }
    }
}
