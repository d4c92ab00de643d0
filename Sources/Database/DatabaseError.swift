import CHecateSQLite

/// An error of SQLite.
public struct DatabaseError: Error, Sendable, Equatable, CustomStringConvertible {
    /// SQLite's primary result code.
    public struct Code: RawRepresentable, Sendable, Hashable {
        /// The number in sqlite3.h.
        public let rawValue: Int32

        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// Another connection wrote longer than the busy timeout.
        public static let busy = Code(rawValue: SQLITE_BUSY)
        /// The file is read-only.
        public static let readOnly = Code(rawValue: SQLITE_READONLY)
        /// An I/O error.
        public static let inputOutput = Code(rawValue: SQLITE_IOERR)
        /// The file is corrupted.
        public static let corrupt = Code(rawValue: SQLITE_CORRUPT)
        /// The disk is full, or the file has its maximum size.
        public static let full = Code(rawValue: SQLITE_FULL)
        /// The file cannot be opened or created.
        public static let cannotOpen = Code(rawValue: SQLITE_CANTOPEN)
        /// A constraint was violated, such as a duplicate key.
        public static let constraint = Code(rawValue: SQLITE_CONSTRAINT)
        /// The connection is closed.
        public static let misuse = Code(rawValue: SQLITE_MISUSE)
        /// The file is no SQLite database.
        public static let notADatabase = Code(rawValue: SQLITE_NOTADB)
    }

    public let code: Code
    public let extendedCode: Int32
    /// SQLite's message.
    public let message: String
    /// The SQL without values; nil if there was none.
    public let sql: String?

    init(_ extendedCode: Int32, _ message: String, sql: String? = nil) {
        code = Code(rawValue: extendedCode & 0xff)
        self.extendedCode = extendedCode
        self.message = message
        self.sql = sql
    }

    static let closed = DatabaseError(SQLITE_MISUSE, "the file is closed")

    /// Whether the file is corrupted or no database.
    public var isCorruption: Bool { code == .corrupt || code == .notADatabase }

    /// The error for people, without values of rows.
    public var description: String {
        "SQLite error \(code.rawValue): \(message)\(sql.map { " - while executing `\($0)`" } ?? "")"
    }
}
