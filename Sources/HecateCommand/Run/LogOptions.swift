public import Arguments
public import Telemetry

/// The arguments for logging.
struct LogOptions: ArgumentGroup {
    @Arguments.Option(help: "The log level: trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.info

    @Arguments.Option(help: "The log format: text or json.")
    var logFormat = LogFormat.text

    /// Sets up logging to standard error for the whole process.
    func bootstrap() -> Logger {
        LoggingSystem.bootstrap { [logFormat, logLevel] label in logFormat.handler(label: label, level: logLevel) }
        return Logger(label: "hecate")
    }
}

/// The arguments for logging of a command that prints a result.
struct QuietLogOptions: ArgumentGroup {
    @Arguments.Option(help: "The log level: trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.warning

    /// Sets up logging to standard error for the whole process.
    func bootstrap() -> Logger {
        LoggingSystem.bootstrap { [logLevel] label in LogFormat.text.handler(label: label, level: logLevel) }
        return Logger(label: "hecate")
    }
}

extension Logger.Level: ArgumentValue {}
extension LogFormat: ArgumentValue {}
