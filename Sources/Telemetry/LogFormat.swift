import Glibc
import Locking
import Wire

/// How logs are written.
public enum LogFormat: String, Sendable, CaseIterable {
    /// For people: one line of text.
    case text
    /// For machines: one line of JSON.
    case json

    /// A log handler on standard error.
    public func handler(label: String, level: Logger.Level) -> any LogHandler {
        switch self {
        case .text: TextLogHandler(label: label, level: level)
        case .json: JSONLogHandler(label: label, level: level)
        }
    }
}

/// Standard error, for lines of logs: each is written whole.
private enum LogOutput {
    /// Held while a line is written: the system may write a long one in parts.
    private static let lock = Mutex(())

    static func write(_ line: String) {
        // A log that cannot be written has nowhere to complain to.
        lock.withLock { _ in try? OpenFile.standardError.write(line.utf8) }
    }
}

/// Writes each entry as a line of text to standard error, the time as that of the place where the process runs.
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

/// Writes each entry as a line of JSON to standard error.
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
