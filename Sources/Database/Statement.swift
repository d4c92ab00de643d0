import CHecateSQLite

/// A value that is bound to a `?` of a statement.
public enum Value: Sendable, Equatable {
    case null
    case integer(Int64)
    /// A text, possibly with NUL characters.
    case text(String)
    /// Bytes. Empty bytes are an empty BLOB, not NULL.
    case blob([UInt8])

    /// Returns an integer, or NULL for nil.
    public static func integer(orNull number: Int64?) -> Value { number.map { .integer($0) } ?? .null }

    /// Returns 1 or 0.
    public static func bool(_ value: Bool) -> Value { .integer(value ? 1 : 0) }
}

/// A prepared statement. Used on its connection's queue, and closed with the connection.
public final class Statement {
    private var pointer: OpaquePointer?
    private let sql: String
    private unowned let connection: Connection

    init(_ pointer: OpaquePointer, sql: String, connection: Connection) {
        self.pointer = pointer
        self.sql = sql
        self.connection = connection
    }

    /// Runs the statement and ignores its rows.
    public func execute(_ values: [Value] = []) throws(DatabaseError) {
        let pointer = try begin(values)
        defer { end(pointer) }
        while try step(pointer) {}
    }

    /// Runs the statement and iterates over its rows. The body must not run the same statement.
    public func forEach(_ values: [Value] = [], _ body: (borrowing Row) throws -> Void) throws {
        let pointer = try begin(values)
        defer { end(pointer) }
        while try step(pointer) { try body(Row(pointer)) }
    }

    /// Runs the statement and returns its first row, converted by `read`; nil if there is none.
    public func first<Element>(_ values: [Value] = [], _ read: (borrowing Row) throws -> Element) throws -> Element? {
        let pointer = try begin(values)
        defer { end(pointer) }
        return try step(pointer) ? read(Row(pointer)) : nil
    }

    private func begin(_ values: [Value]) throws(DatabaseError) -> OpaquePointer {
        guard let pointer else { throw .closed }
        connection.assertOnQueue()
        precondition(sqlite3_stmt_busy(pointer) == 0, "a statement is run by what looks at its rows")
        precondition(
            sqlite3_bind_parameter_count(pointer) == Int32(values.count), "a statement needs all of its values")
        for (index, value) in values.enumerated() {
            let code = Self.bind(value, Int32(index + 1), pointer)
            guard code == SQLITE_OK else {
                defer { end(pointer) }
                throw connection.failure(code, sql)
            }
        }
        return pointer
    }

    private static func bind(_ value: Value, _ index: Int32, _ pointer: OpaquePointer) -> Int32 {
        switch value {
        case .null: sqlite3_bind_null(pointer, index)
        case .integer(let number): sqlite3_bind_int64(pointer, index, number)
        case .text(var text):
            text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    hecate_sqlite_bind_text(pointer, index, $0.baseAddress, UInt64($0.count))
                }
            }
        case .blob(let bytes): hecate_sqlite_bind_blob(pointer, index, bytes, UInt64(bytes.count))
        }
    }

    private func step(_ pointer: OpaquePointer) throws(DatabaseError) -> Bool {
        switch sqlite3_step(pointer) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw connection.failure(code, sql)
        }
    }

    /// Releases locks and values. Ignores `sqlite3_reset`'s result, which repeats the error of the step.
    private func end(_ pointer: OpaquePointer) {
        sqlite3_reset(pointer)
        sqlite3_clear_bindings(pointer)
    }

    func finalize() {
        sqlite3_finalize(pointer)
        pointer = nil
    }
}

/// The current row of a statement, with columns by index from 0. Other types are converted as in SQLite: NULL is 0, ""
/// or no bytes.
public struct Row: ~Copyable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    /// Returns whether a column is NULL.
    public func isNull(_ column: Int) -> Bool { sqlite3_column_type(pointer, Int32(column)) == SQLITE_NULL }

    /// Returns a column as an integer.
    public func integer(_ column: Int) -> Int64 { sqlite3_column_int64(pointer, Int32(column)) }

    /// Returns a column as text, with invalid UTF-8 repaired.
    public func text(_ column: Int) -> String {
        // SQLite requires the pointer before the count.
        guard let start = sqlite3_column_text(pointer, Int32(column)) else { return "" }
        let count = Int(sqlite3_column_bytes(pointer, Int32(column)))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// Returns a column as bytes.
    public func blob(_ column: Int) -> [UInt8] {
        guard let start = sqlite3_column_blob(pointer, Int32(column)) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(pointer, Int32(column)))))
    }
}
