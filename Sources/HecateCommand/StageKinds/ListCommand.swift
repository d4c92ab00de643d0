import Arguments
import PipelineKit

/// `hecate list`: lists the kinds of stages.
struct ListCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the kinds of sources, filters, transforms and sinks.")

    func run() async throws {
        for role in StageRegistry.Role.allCases {
            print("\(role.rawValue)s")
            for kind in HecateCommand.registry.kinds(role) {
                let name = kind.declaration.name
                print("  \(name)\(String(repeating: " ", count: max(1, 22 - name.count)))\(kind.declaration.summary)")
            }
        }
        print(
            "\n'hecate describe source sns' describes one of them, 'hecate describe pipeline' the pipeline file."
        )
    }
}
