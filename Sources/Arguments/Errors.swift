/// The exit status, when everything was printed.
public struct ExitCode: Error, Sendable, Hashable {
    public let rawValue: Int32

    public init(_ rawValue: Int32) { self.rawValue = rawValue }

    /// Success.
    public static let success = ExitCode(0)
    /// Failure.
    public static let failure = ExitCode(1)
    /// Invalid arguments.
    public static let usage = ExitCode(2)
}

/// Invalid arguments, found by the command itself.
public struct ValidationError: Error, Sendable, CustomStringConvertible {
    /// What is wrong and how to fix it, without a full stop.
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Why a command failed.
public struct CommandFailure: Error, Sendable, CustomStringConvertible {
    /// What failed and how to fix it, without a full stop.
    public let description: String
    /// The exit status.
    public let status: ExitCode

    public init(_ description: String, status: ExitCode = .failure) {
        self.description = description
        self.status = status
    }
}

/// An invalid command line.
public struct UsageError: Error, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let message: String
    /// The argument in question.
    let about: (label: String, help: String)?
    /// The intended command, as far as it is known.
    public let command: CommandSpec

    init(_ message: String, about: (label: String, help: String)? = nil, in command: CommandSpec) {
        self.message = message
        self.about = about
        self.command = command
    }

    /// The message with the usage.
    public var description: String {
        var lines = ["Error: \(message)"]
        if let about, !about.help.isEmpty { lines.append("Help:  \(about.label)  \(about.help)") }
        lines.append("Usage: \(HelpText(command).usage)")
        lines.append("  See '\(command.name) --help' for more information.")
        return lines.joined(separator: "\n")
    }
}

extension UsageError {
    static func unknownShell(_ name: String?, in spec: CommandSpec) -> UsageError {
        let problem = name.map { "Can't generate completion scripts for '\($0)'." } ?? "Can't tell which shell is used."
        let shells = Shell.allCases.map(\.rawValue).joined(separator: " ")
        return UsageError(
            "\(problem)\nPlease use \(BuiltIn.completionScript.names[0])=<shell> with one of:\n    \(shells)", in: spec)
    }
}
