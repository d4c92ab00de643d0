import Arguments
import Glibc
import Locking
public import PipelineKit

/// The command line. A package with stages of its own calls `main` with its registry.
public enum HecateCommand {
    /// The kinds of stages that this process knows.
    @TaskLocal static var registry = StageRegistry()

    /// Runs the command that the process's arguments name, and ends the process: with 0 where all went well, 1 where it did
    /// not, 2 where the arguments or a file are not as they have to be.
    public static func main(registry: StageRegistry) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        let words = Array(CommandLine.arguments.dropFirst())
        exit(await $registry.withValue(registry) { await RootCommand.run(words) })
    }
}

/// `hecate` itself.
struct RootCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "hecate",
        abstract: "Carries webhook registrations from Amazon SNS into Argus, through pipelines.",
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
    /// The arguments or a file are not as they have to be.
    static let badConfiguration = ExitCode.usage
}

/// Standard error, for what is not the command's result.
enum Console {
    static func error(_ text: String) { show("\(text)\n") }

    /// Writes text as it is. Where nobody listens there is nothing to be done.
    static func show(_ text: String) { try? OpenFile.standardError.write(text.utf8) }

    /// A text from outside without what a terminal would take for a command.
    static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { scalar in
                scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? "\u{fffd}" : Character(scalar)
            })
    }
}
