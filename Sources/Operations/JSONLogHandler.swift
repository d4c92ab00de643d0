import Foundation
public import Logging
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
        case .text:
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        case .json: return JSONLogHandler(label: label, level: level)
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

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members = [
            ("time", "\(Timestamp.now())"), ("level", event.level.rawValue), ("logger", label),
            ("message", "\(event.message)"),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        members += all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let line = members.map { "\(JSONWriter.quoted($0)):\(JSONWriter.quoted($1))" }.joined(separator: ",")
        // A log that cannot be written has nowhere to complain to.
        try? FileHandle.standardError.write(contentsOf: Data("{\(line)}\n".utf8))
    }
}
