import CHecateSQLite

/// What SQLite did not do.
public struct DatabaseError: Error, Sendable, Equatable, CustomStringConvertible {
    /// SQLite's primary result code.
    public struct Code: RawRepresentable, Sendable, Hashable {
        /// The number in sqlite3.h.
        public let rawValue: Int32

        /// A code by its number.
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// Another connection writes, for longer than the busy time.
        public static let busy = Code(rawValue: SQLITE_BUSY)
        /// The file may not be written.
        public static let readOnly = Code(rawValue: SQLITE_READONLY)
        /// The disk said no.
        public static let inputOutput = Code(rawValue: SQLITE_IOERR)
        /// The file is damaged.
        public static let corrupt = Code(rawValue: SQLITE_CORRUPT)
        /// The disk is full, or the file as large as it may be.
        public static let full = Code(rawValue: SQLITE_FULL)
        /// The file cannot be opened or made.
        public static let cannotOpen = Code(rawValue: SQLITE_CANTOPEN)
        /// The database forbids it, such as a second row of one key.
        public static let constraint = Code(rawValue: SQLITE_CONSTRAINT)
        /// The connection is closed.
        public static let misuse = Code(rawValue: SQLITE_MISUSE)
        /// The file is none of SQLite's.
        public static let notADatabase = Code(rawValue: SQLITE_NOTADB)
    }

    /// What kind of failure it is.
    public let code: Code
    /// SQLite's extended result code.
    public let extendedCode: Int32
    /// SQLite's words.
    public let message: String
    /// The statement, without its values; nil where there was none.
    public let sql: String?

    init(_ extendedCode: Int32, _ message: String, sql: String? = nil) {
        code = Code(rawValue: extendedCode & 0xff)
        self.extendedCode = extendedCode
        self.message = message
        self.sql = sql
    }

    static let closed = DatabaseError(SQLITE_MISUSE, "the file is closed")

    /// Whether the file is no database, or none any more.
    public var isCorruption: Bool { code == .corrupt || code == .notADatabase }

    /// What failed, for people. Holds no value of a row.
    public var description: String {
        "SQLite error \(code.rawValue): \(message)\(sql.map { " - while executing `\($0)`" } ?? "")"
    }
}
