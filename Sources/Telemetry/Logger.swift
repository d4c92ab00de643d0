/// Writes log entries with a level, a message and metadata. A value type; thread-safe.
public struct Logger: Sendable {
    /// The severity of an entry. Entries below a logger's level are neither formatted nor written.
    public enum Level: String, Sendable, CaseIterable, Comparable, Codable {
        /// Every step, for debugging.
        case trace
        /// Details for debugging.
        case debug
        /// Normal operation.
        case info
        /// Normal, but important.
        case notice
        /// Something may need attention.
        case warning
        /// Something failed.
        case error
        /// Something needs attention now.
        case critical

        private var rank: Int {
            switch self {
            case .trace: 0
            case .debug: 1
            case .info: 2
            case .notice: 3
            case .warning: 4
            case .error: 5
            case .critical: 6
            }
        }

        public static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }
    }

    /// The message of an entry: a string literal, possibly with interpolations.
    public struct Message: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
        public let description: String

        public init(stringLiteral value: String) { description = value }
    }

    /// The metadata of an entry by name.
    public typealias Metadata = [String: MetadataValue]

    /// A metadata value, usually a string literal with interpolations.
    public enum MetadataValue: Sendable, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
        ExpressibleByDictionaryLiteral, CustomStringConvertible
    {
        case string(String)
        /// A value that is formatted when it is written.
        case stringConvertible(any CustomStringConvertible & Sendable)
        case dictionary(Metadata)
        case array([MetadataValue])

        public init(stringLiteral value: String) { self = .string(value) }
        public init(arrayLiteral elements: MetadataValue...) { self = .array(elements) }
        /// Makes a dictionary; of duplicates the last wins.
        public init(dictionaryLiteral elements: (String, MetadataValue)...) {
            self = .dictionary(Dictionary(elements) { $1 })
        }

        /// The value as it is written.
        public var description: String {
            switch self {
            case .string(let text): text
            case .stringConvertible(let value): value.description
            case .dictionary(let values): values.mapValues(\.description).description
            case .array(let values): values.map(\.description).description
            }
        }
    }

    /// The name of the logger, shown in each line.
    public let label: String
    /// The destination of the entries.
    public var handler: any LogHandler

    /// Makes a logger with the handler of `LoggingSystem`.
    public init(label: String) { self.init(label: label, factory: LoggingSystem.factory) }

    /// Makes a logger with another handler.
    public init(label: String, factory: (String) -> any LogHandler) {
        self.label = label
        handler = factory(label)
    }

    /// The minimum level.
    public var logLevel: Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }

    /// Accesses the metadata of all entries of this logger.
    public subscript(metadataKey name: String) -> MetadataValue? {
        get { handler[metadataKey: name] }
        set { handler[metadataKey: name] = newValue }
    }

    /// Logs an entry.
    ///
    /// - Parameter source: the part of the program; by default the calling module.
    public func log(
        level: Level, _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil,
        source: @autoclosure () -> String? = nil, file: String = #fileID, function: String = #function,
        line: UInt = #line
    ) {
        guard handler.logLevel <= level else { return }
        handler.log(
            event: LogEvent(
                level: level, message: message(), metadata: metadata(), source: source() ?? Self.module(of: file),
                file: file, function: function, line: line))
    }

    /// Returns the module in `#fileID`.
    private static func module(of fileID: String) -> String {
        String(fileID.utf8.firstIndex(of: UInt8(ascii: "/")).map { fileID[..<$0] } ?? "n/a")
    }
}

extension Logger {
    /// Logs at level `trace`.
    public func trace(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .trace, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Logs at level `debug`.
    public func debug(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .debug, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Logs at level `info`.
    public func info(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .info, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Logs at level `notice`.
    public func notice(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .notice, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Logs at level `warning`.
    public func warning(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .warning, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Logs at level `error`.
    public func error(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .error, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Logs at level `critical`.
    public func critical(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .critical, message(), metadata: metadata(), file: file, function: function, line: line) }
}
