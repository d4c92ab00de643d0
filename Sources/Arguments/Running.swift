import Glibc
import Locking

extension Command {
    /// Runs what the process's arguments ask for, and ends the process.
    public static func main() async {
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs what the words ask for; results go to standard output, mistakes to standard error.
    ///
    /// - Returns: the status for the process: 0 where all went well, 1 where it did not, 2 where the arguments are not as they have to be.
    public static func run(_ words: [String]) async -> Int32 {
        do {
            switch try parse(words) {
            case .run(let command, let spec): try await run(command, spec)
            case .help(let spec): print(HelpText(spec).text(width: Terminal.width))
            case .version(let version): print(version)
            case .completionScript(let shell, let spec):
                print(CompletionScript(spec).text(for: try shell ?? .current(spec)), terminator: "")
            case .manPage(let spec):
                print(ManPage(spec, of: CommandSpec(self), date: Day.written).text, terminator: "")
            }
            return ExitCode.success.rawValue
        } catch let code as ExitCode {
            return code.rawValue
        } catch let failure as CommandFailure {
            Terminal.say("error: \(failure.description)")
            return failure.status.rawValue
        } catch let error as UsageError {
            Terminal.say(error.description)
            return ExitCode.usage.rawValue
        } catch {
            Terminal.say("error: \(error)")
            return ExitCode.failure.rawValue
        }
    }

    private static func run(_ command: any Command, _ spec: CommandSpec) async throws {
        do {
            try await command.run()
        } catch let error as ValidationError {
            throw UsageError(error.description, in: spec)
        }
    }
}

extension Shell {
    /// The user's shell.
    fileprivate static func current(_ spec: CommandSpec) throws(UsageError) -> Shell {
        let name = environment("SHELL")?.split(separator: "/").last.map(String.init)
        guard let shell = name.flatMap(Shell.init) else { throw .unknownShell(name, in: spec) }
        return shell
    }
}

/// Where people read.
private enum Terminal {
    /// How many characters a line has: what COLUMNS says, else what the terminal says, else 80.
    static var width: Int {
        var size = winsize()
        let columns =
            environment("COLUMNS").flatMap { Int($0) }
            ?? (ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : 0)
        return columns > 0 ? max(columns, 40) : 80
    }

    /// Says something on standard error; where nobody listens there is nothing to be done.
    static func say(_ text: String) { try? OpenFile.standardError.write("\(text)\n".utf8) }
}

/// The day that is printed on a man page.
private enum Day {
    /// Today, or what SOURCE_DATE_EPOCH says, so that a package can be built twice alike.
    static var written: String {
        var seconds = environment("SOURCE_DATE_EPOCH").flatMap { time_t($0) } ?? time(nil)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "" }
        func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
    }
}
