import ArgumentParser
import Foundation
public import PipelineKit

/// The command line. A package with stages of its own calls `main` with its registry.
public enum HecateCommand {
    /// The kinds of stages that this process knows.
    @TaskLocal static var registry = StageRegistry()

    /// Runs the command that the process's arguments name, and ends the process: with 0 where all went well, 1 where it did
    /// not, 2 where the arguments or a file are not as they have to be.
    public static func main(registry: StageRegistry) async -> Never {
        signal(SIGPIPE, SIG_IGN)
        let status = await $registry.withValue(registry) { await run() }
        exit(status)
    }

    private static func run() async -> Int32 {
        do {
            let command = try RootCommand.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = command
                try command.run()
            }
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        } catch let failure as CommandFailure {
            Console.error("error: \(failure.description)")
            return failure.status.rawValue
        } catch {
            switch RootCommand.exitCode(for: error) {
            case .success:
                print(RootCommand.fullMessage(for: error))
                return 0
            case .validationFailure:
                Console.error(RootCommand.fullMessage(for: error))
                return ExitCode.badConfiguration.rawValue
            default:
                Console.error("error: \(error)")
                return 1
            }
        }
    }
}

/// `hecate` itself.
private struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hecate",
        abstract: "Carries webhook registrations from Amazon SNS into Argus, through pipelines.",
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
    static let badConfiguration = ExitCode(2)
}

/// Why a command could not do its work, for people.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String
    let status: ExitCode

    init(_ description: String, status: ExitCode = .failure) {
        self.description = description
        self.status = status
    }
}

/// Standard error, for what is not the command's result.
enum Console {
    static func error(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }

    /// A text from outside without what a terminal would take for a command.
    static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { scalar in
                scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? "\u{fffd}" : Character(scalar)
            })
    }
}
