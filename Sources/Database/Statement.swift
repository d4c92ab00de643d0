import CHecateSQLite

/// A value that is bound to a `?` of a statement.
public enum Value: Sendable, Equatable {
    /// NULL.
    case null
    /// An integer.
    case integer(Int64)
    /// A text, which may hold NUL.
    case text(String)
    /// Bytes. None of them is an empty BLOB, not NULL.
    case blob([UInt8])

    /// An integer, or NULL for nil.
    public static func integer(orNull number: Int64?) -> Value { number.map { .integer($0) } ?? .null }

    /// 1 or 0.
    public static func bool(_ value: Bool) -> Value { .integer(value ? 1 : 0) }
}

/// A statement that was prepared. Belongs to its connection's queue, and ends with the connection.
public final class Statement {
    private var pointer: OpaquePointer?
    private let sql: String
    private unowned let connection: Connection

    init(_ pointer: OpaquePointer, sql: String, connection: Connection) {
        self.pointer = pointer
        self.sql = sql
        self.connection = connection
    }

    /// Runs it; rows, if it has any, are not looked at.
    public func execute(_ values: [Value] = []) throws(DatabaseError) {
        let pointer = try begin(values)
        defer { end(pointer) }
        while try step(pointer) {}
    }

    /// Runs it and goes through its rows. The body must not run the same statement.
    public func forEach(_ values: [Value] = [], _ body: (borrowing Row) throws -> Void) throws {
        let pointer = try begin(values)
        defer { end(pointer) }
        while try step(pointer) { try body(Row(pointer)) }
    }

    /// Runs it up to its first row, of which something is made; nil where there is none.
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

    /// Lets go of locks and values. What `sqlite3_reset` returns is the failure of the step, which was thrown already.
    private func end(_ pointer: OpaquePointer) {
        sqlite3_reset(pointer)
        sqlite3_clear_bindings(pointer)
    }

    func finalize() {
        sqlite3_finalize(pointer)
        pointer = nil
    }
}

/// A row that a statement stands at, its columns by their place from 0. A value of another type is converted as SQLite does it: NULL
/// is 0, "" or no bytes.
public struct Row: ~Copyable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    /// Whether a column is NULL.
    public func isNull(_ column: Int) -> Bool { sqlite3_column_type(pointer, Int32(column)) == SQLITE_NULL }

    /// A column as an integer.
    public func integer(_ column: Int) -> Int64 { sqlite3_column_int64(pointer, Int32(column)) }

    /// A column as a text; what is no UTF-8 is repaired.
    public func text(_ column: Int) -> String {
        // The pointer before the count: that is what SQLite asks for.
        guard let start = sqlite3_column_text(pointer, Int32(column)) else { return "" }
        let count = Int(sqlite3_column_bytes(pointer, Int32(column)))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// A column as bytes.
    public func blob(_ column: Int) -> [UInt8] {
        guard let start = sqlite3_column_blob(pointer, Int32(column)) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(pointer, Int32(column)))))
    }
}
