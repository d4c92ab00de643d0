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
        raiseDescriptorLimit()
        let words = Array(CommandLine.arguments.dropFirst())
        let code = await $registry.withValue(registry) { await RootCommand.run(words) }
        guard fflush(nil) == 0 else {
            Console.error("standard output cannot be written: \(String(cString: strerror(errno)))")
            exit(code == 0 ? 1 : code)
        }
        exit(code)
    }

    /// Raises the soft limit of open descriptors to the hard one, as Go programs do: the default of 1,024 is for programs with `select`.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = min(limit.rlim_max, 1 << 20)
        setrlimit(resource, &limit)
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
