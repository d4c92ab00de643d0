import Glibc
import Locking

extension Command {
    /// Runs the command in the process's arguments, and exits.
    public static func main() async {
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs a command line; results go to standard output, errors to standard error.
    ///
    /// - Returns: the exit status: 0 for success, 1 for failure, 2 for invalid arguments.
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
    /// Returns the user's shell.
    fileprivate static func current(_ spec: CommandSpec) throws(UsageError) -> Shell {
        let name = environment("SHELL")?.split(separator: "/").last.map(String.init)
        guard let shell = name.flatMap(Shell.init) else { throw .unknownShell(name, in: spec) }
        return shell
    }
}

/// The terminal of the user.
private enum Terminal {
    /// The width in characters: COLUMNS, else the terminal's, else 80.
    static var width: Int {
        var size = winsize()
        let columns =
            environment("COLUMNS").flatMap { Int($0) }
            ?? (ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : 0)
        return columns > 0 ? max(columns, 40) : 80
    }

    /// Writes to standard error. Ignores errors: nobody may be reading.
    static func say(_ text: String) { try? OpenFile.standardError.write("\(text)\n".utf8) }
}

/// The date on manual pages.
private enum Day {
    /// Today, or SOURCE_DATE_EPOCH, for reproducible packages.
    static var written: String {
        var seconds = environment("SOURCE_DATE_EPOCH").flatMap { time_t($0) } ?? time(nil)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "" }
        func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
    }
}
