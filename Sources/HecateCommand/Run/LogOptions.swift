public import Arguments
public import Telemetry

/// How to log, as arguments.
struct LogOptions: ArgumentGroup {
    @Arguments.Option(help: "What is logged: trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.info

    @Arguments.Option(help: "How it is logged: text or json.")
    var logFormat = LogFormat.text

    /// The process's logger, for everything that is made from here on. Logs go to standard error.
    func bootstrap() -> Logger {
        LoggingSystem.bootstrap { [logFormat, logLevel] label in logFormat.handler(label: label, level: logLevel) }
        return Logger(label: "hecate")
    }
}

/// How to log in a command whose result is what it prints.
struct QuietLogOptions: ArgumentGroup {
    @Arguments.Option(help: "What is logged: trace, debug, info, notice, warning, error or critical.")
    var logLevel = Logger.Level.warning

    /// The process's logger, for everything that is made from here on. Logs go to standard error.
    func bootstrap() -> Logger {
        LoggingSystem.bootstrap { [logLevel] label in LogFormat.text.handler(label: label, level: logLevel) }
        return Logger(label: "hecate")
    }
}

extension Logger.Level: ArgumentValue {}
extension LogFormat: ArgumentValue {}
