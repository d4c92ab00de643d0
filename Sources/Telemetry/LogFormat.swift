import Glibc
import Locking
import Wire

/// The format of logs.
public enum LogFormat: String, Sendable, CaseIterable {
    /// A line of text, for people.
    case text
    /// A line of JSON, for programs.
    case json

    /// Makes a log handler for standard error.
    public func handler(label: String, level: Logger.Level) -> any LogHandler {
        switch self {
        case .text: TextLogHandler(label: label, level: level)
        case .json: JSONLogHandler(label: label, level: level)
        }
    }
}

/// Standard error, to which each line is written whole.
private enum LogOutput {
    /// Held during a write, because the system may split a long line.
    private static let lock = Mutex(())

    static func write(_ line: String) {
        // Errors of the log cannot be reported.
        lock.withLock { _ in try? OpenFile.standardError.write(line.utf8) }
    }
}

/// Logs each entry as a line of text to standard error, in local time.
struct TextLogHandler: LogHandler {
    var metadata = Logger.Metadata()
    var logLevel: Logger.Level
    private let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    func log(event: LogEvent) { LogOutput.write(line(event, at: time(nil))) }

    func line(_ event: LogEvent, at time: time_t) -> String {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let values = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let name = label.isEmpty ? "" : " \(label)"
        return "\(Self.text(of: time)) \(event.level)\(name):\(values) [\(event.source)] \(event.message)\n"
    }

    private static func text(of time: time_t) -> String {
        var time = time
        var parts = tm()
        localtime_r(&time, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress, strftime(start, buffer.count, "%Y-%m-%dT%H:%M:%S%z", &parts) > 0
            else { return "" }
            return String(cString: start)
        }
    }
}

/// Logs each entry as a line of JSON to standard error.
struct JSONLogHandler: LogHandler {
    var metadata = Logger.Metadata()
    var logLevel: Logger.Level
    private let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    func log(event: LogEvent) { LogOutput.write(line(event, at: .now())) }

    func line(_ event: LogEvent, at time: Timestamp) -> String {
        var members = [
            ("time", "\(time)"), ("level", event.level.rawValue), ("logger", label), ("message", "\(event.message)"),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        members += all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let line = members.map { "\(JSONWriter.quoted($0)):\(JSONWriter.quoted($1))" }.joined(separator: ",")
        return "{\(line)}\n"
    }
}
