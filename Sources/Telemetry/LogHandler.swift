import Locking

/// The destination of a logger. A value type: each logger has its own metadata and level.
public protocol LogHandler: Sendable {
    /// The metadata of every entry.
    var metadata: Logger.Metadata { get set }
    /// The minimum level; checked before each entry.
    var logLevel: Logger.Level { get set }
    /// Accesses a value of `metadata`.
    subscript(metadataKey name: String) -> Logger.MetadataValue? { get set }
    /// Writes an entry. Thread-safe; errors are ignored, because a log cannot report them.
    func log(event: LogEvent)
}

extension LogHandler {
    /// Accesses a value of `metadata`.
    public subscript(metadataKey name: String) -> Logger.MetadataValue? {
        get { metadata[name] }
        set { metadata[name] = newValue }
    }
}

/// A log entry.
public struct LogEvent: Sendable {
    public var level: Logger.Level
    public var message: Logger.Message
    /// The metadata of this entry.
    public var metadata: Logger.Metadata?
    /// The part of the program that logs.
    public var source: String
    /// The file of the call (`#fileID`).
    public var file: String
    /// The function of the call.
    public var function: String
    /// The line of the call.
    public var line: UInt

    public init(
        level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata? = nil, source: String,
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        (self.level, self.message, self.metadata) = (level, message, metadata)
        (self.source, self.file, self.function, self.line) = (source, file, function, line)
    }
}

/// The log handler of the process's loggers.
public enum LoggingSystem {
    private static let current = Mutex<@Sendable (String) -> any LogHandler> {
        LogFormat.text.handler(label: $0, level: .info)
    }

    /// Sets the factory of handlers for all loggers made from now on.
    public static func bootstrap(_ factory: @escaping @Sendable (String) -> any LogHandler) {
        current.withLock { $0 = factory }
    }

    static var factory: @Sendable (String) -> any LogHandler { current.withLock { $0 } }
}

/// Discards all entries.
public struct SilentLogHandler: LogHandler {
    /// Stored, but not written.
    public var metadata = Logger.Metadata()
    /// High, so that few messages are formatted.
    public var logLevel = Logger.Level.critical

    public init() {}

    /// Does nothing.
    public func log(event: LogEvent) {}
}

/// Records entries for tests. Thread-safe.
public final class RecordedLog: Sendable {
    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata = Logger.Metadata()
        var logLevel: Logger.Level

        func log(event: LogEvent) {
            var event = event
            event.metadata = metadata.merging(event.metadata ?? [:]) { $1 }
            log.recorded.withLock { $0.append(event) }
        }
    }

    private let recorded = Mutex<[LogEvent]>([])

    public init() {}

    /// The entries so far, with the metadata of their loggers.
    public var events: [LogEvent] { recorded.withLock { $0 } }

    /// Makes a logger that records its entries here.
    public func logger(label: String = "test", level: Logger.Level = .trace) -> Logger {
        Logger(label: label) { _ in Handler(log: self, logLevel: level) }
    }
}
