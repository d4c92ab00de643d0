import Arguments
import Glibc
import Locking
public import PipelineKit

/// The command line. A package with stages of its own calls `main` with its registry.
public enum HecateCommand {
    /// The registered kinds of stages.
    @TaskLocal static var registry = StageRegistry()

    /// Runs the command in the process's arguments and exits: with 0 on success, 1 on failure, 2 for invalid arguments
    /// or files.
    public static func main(registry: StageRegistry) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        let words = Array(CommandLine.arguments.dropFirst())
        exit(await $registry.withValue(registry) { await RootCommand.run(words) })
    }
}

/// The root command, `hecate`.
struct RootCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "hecate",
        abstract: "Moves webhook registrations from Amazon SNS to Argus, through pipelines.",
        version: VersionCommand.text,
        subcommands: [
            RunCommand.self, HealthCommand.self, ValidateCommand.self, RenderCommand.self, DiffCommand.self,
            PlanCommand.self,
            BackfillCommand.self, VerifyCommand.self, RollbackCommand.self, TestCommand.self, GraphCommand.self,
            TapCommand.self, DeadLettersCommand.self, ListCommand.self,
            DescribeCommand.self, SchemaCommand.self, NewCommand.self, ImportCommand.self, ArgusCommand.self,
            VersionCommand.self,
        ])
}

extension ExitCode {
    /// The exit code for invalid arguments or files.
    static let badConfiguration = ExitCode.usage
}
