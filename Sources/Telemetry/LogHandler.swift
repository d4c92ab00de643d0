import Locking

/// Where the entries of a logger go. A value type: each logger has its own metadata and level.
public protocol LogHandler: Sendable {
    /// What belongs to every entry.
    var metadata: Logger.Metadata { get set }
    /// The least serious level that is written; asked before each entry.
    var logLevel: Logger.Level { get set }
    /// One value of `metadata`.
    subscript(metadataKey name: String) -> Logger.MetadataValue? { get set }
    /// Writes an entry. From any thread; what cannot be written is lost, since a log has nowhere to complain to.
    func log(event: LogEvent)
}

extension LogHandler {
    /// One value of `metadata`.
    public subscript(metadataKey name: String) -> Logger.MetadataValue? {
        get { metadata[name] }
        set { metadata[name] = newValue }
    }
}

/// An entry of a log, as a handler gets it.
public struct LogEvent: Sendable {
    /// How serious it is.
    public var level: Logger.Level
    /// What it says.
    public var message: Logger.Message
    /// What belongs to it, beside what belongs to every entry.
    public var metadata: Logger.Metadata?
    /// Which part of the program says it.
    public var source: String
    /// The file of the call, as `#fileID` has it.
    public var file: String
    /// The function of the call.
    public var function: String
    /// The line of the call.
    public var line: UInt

    /// An entry.
    public init(
        level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata? = nil, source: String,
        file: String = #fileID, function: String = #function, line: UInt = #line
    ) {
        (self.level, self.message, self.metadata) = (level, message, metadata)
        (self.source, self.file, self.function, self.line) = (source, file, function, line)
    }
}

/// What handler the process's loggers get.
public enum LoggingSystem {
    private static let current = Mutex<@Sendable (String) -> any LogHandler> {
        LogFormat.text.handler(label: $0, level: .info)
    }

    /// Gives a handler to each logger that is made from here on, by its label.
    public static func bootstrap(_ factory: @escaping @Sendable (String) -> any LogHandler) {
        current.withLock { $0 = factory }
    }

    static var factory: @Sendable (String) -> any LogHandler { current.withLock { $0 } }
}

/// Writes nothing.
public struct SilentLogHandler: LogHandler {
    /// Kept, and written nowhere.
    public var metadata = Logger.Metadata()
    /// So high that hardly any text is made.
    public var logLevel = Logger.Level.critical

    /// A handler that writes nothing.
    public init() {}

    /// Nothing.
    public func log(event: LogEvent) {}
}

/// Keeps entries, for tests. From any thread.
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

    /// A log without entries.
    public init() {}

    /// The entries so far; the metadata of each is that of its logger too.
    public var events: [LogEvent] { recorded.withLock { $0 } }

    /// A logger whose entries are kept here.
    public func logger(label: String = "test", level: Logger.Level = .trace) -> Logger {
        Logger(label: label) { _ in Handler(log: self, logLevel: level) }
    }
}
