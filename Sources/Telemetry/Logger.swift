/// Writes entries of a log: each has a level, a message, and metadata by name. A value type; from any thread.
public struct Logger: Sendable {
    /// How serious an entry is. An entry below a logger's level is not written, nor is its text made.
    public enum Level: String, Sendable, CaseIterable, Comparable, Codable {
        /// Every step, for those who search a fault.
        case trace
        /// What helps to search a fault.
        case debug
        /// What happens in the normal course.
        case info
        /// What is normal and not to be missed.
        case notice
        /// What may need a look.
        case warning
        /// What went wrong.
        case error
        /// What needs somebody now.
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

        /// Less serious sorts first.
        public static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }
    }

    /// What an entry says; a string literal, or one with values in it.
    public struct Message: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
        /// The text.
        public let description: String

        /// A message of a text.
        public init(stringLiteral value: String) { description = value }
    }

    /// What belongs to an entry, by name.
    public typealias Metadata = [String: MetadataValue]

    /// A value of the metadata: mostly a string literal with a value in it.
    public enum MetadataValue: Sendable, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
        ExpressibleByDictionaryLiteral, CustomStringConvertible
    {
        /// A text.
        case string(String)
        /// Something that becomes a text when it is written.
        case stringConvertible(any CustomStringConvertible & Sendable)
        /// Values by name.
        case dictionary(Metadata)
        /// Values in their order.
        case array([MetadataValue])

        /// A text.
        public init(stringLiteral value: String) { self = .string(value) }
        /// Values in their order.
        public init(arrayLiteral elements: MetadataValue...) { self = .array(elements) }
        /// Values by name; of two with one name the last.
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

    /// Who logs: stands in each line.
    public let label: String
    /// Where the entries go.
    public var handler: any LogHandler

    /// A logger that writes where `LoggingSystem` says.
    public init(label: String) { self.init(label: label, factory: LoggingSystem.factory) }

    /// A logger that writes where a handler does.
    public init(label: String, factory: (String) -> any LogHandler) {
        self.label = label
        handler = factory(label)
    }

    /// The least serious level that is written.
    public var logLevel: Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }

    /// What belongs to every entry of this logger.
    public subscript(metadataKey name: String) -> MetadataValue? {
        get { handler[metadataKey: name] }
        set { handler[metadataKey: name] = newValue }
    }

    /// Writes an entry of a level.
    ///
    /// - Parameter source: which part of the program says it; by default the module of the call.
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

    /// `#fileID` is the module, a slash and the file.
    private static func module(of fileID: String) -> String {
        String(fileID.utf8.firstIndex(of: UInt8(ascii: "/")).map { fileID[..<$0] } ?? "n/a")
    }
}

extension Logger {
    /// Writes an entry of the level `trace`.
    public func trace(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .trace, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Writes an entry of the level `debug`.
    public func debug(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .debug, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Writes an entry of the level `info`.
    public func info(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .info, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Writes an entry of the level `notice`.
    public func notice(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .notice, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Writes an entry of the level `warning`.
    public func warning(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .warning, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Writes an entry of the level `error`.
    public func error(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .error, message(), metadata: metadata(), file: file, function: function, line: line) }

    /// Writes an entry of the level `critical`.
    public func critical(
        _ message: @autoclosure () -> Message, metadata: @autoclosure () -> Metadata? = nil, file: String = #fileID,
        function: String = #function, line: UInt = #line
    ) { log(level: .critical, message(), metadata: metadata(), file: file, function: function, line: line) }
}
