/// How the process is to end, where everything that is to be said was said.
public struct ExitCode: Error, Sendable, Hashable {
    /// The status.
    public let rawValue: Int32

    /// A status.
    public init(_ rawValue: Int32) { self.rawValue = rawValue }

    /// All went well.
    public static let success = ExitCode(0)
    /// It did not.
    public static let failure = ExitCode(1)
    /// The arguments are not as they have to be.
    public static let usage = ExitCode(2)
}

/// Arguments that are not as they have to be, found by the command itself.
public struct ValidationError: Error, Sendable, CustomStringConvertible {
    /// What is wrong and what to do, without a full stop.
    public let description: String

    /// An error.
    public init(_ description: String) { self.description = description }
}

/// Why a command could not do its work, for people.
public struct CommandFailure: Error, Sendable, CustomStringConvertible {
    /// What failed and what to do, without a full stop.
    public let description: String
    /// How the process is to end.
    public let status: ExitCode

    /// A failure.
    public init(_ description: String, status: ExitCode = .failure) {
        self.description = description
        self.status = status
    }
}

/// A command line that cannot be understood.
public struct UsageError: Error, Sendable, CustomStringConvertible {
    /// What is wrong.
    public let message: String
    /// The argument that it is about.
    let about: (label: String, help: String)?
    /// The command that was meant, as far as it could be told.
    public let command: CommandSpec

    init(_ message: String, about: (label: String, help: String)? = nil, in command: CommandSpec) {
        self.message = message
        self.about = about
        self.command = command
    }

    /// What is wrong, and how it is to be written.
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
