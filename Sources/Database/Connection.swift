import CHecateSQLite
public import Dispatch
import Glibc

/// A SQLite file in WAL mode with the queue that owns it.
///
/// All methods except `perform` must be called on the queue, which is asserted, because SQLite's own locks are off.
/// Errors are `DatabaseError`s. Values are bound, never part of the SQL; statements are cached by their text until
/// `close`, so SQL must be constant.
///
/// `@unchecked Sendable`: mutable state is used on the queue only.
public final class Connection: @unchecked Sendable {
    /// The durability of a commit.
    public enum Synchronous: String, Sendable {
        /// A commit survives a power failure.
        case full = "FULL"
        /// A commit survives the end of the process; a power failure may lose the last ones, but not damage the file.
        case normal = "NORMAL"
    }

    /// The path of the file.
    public let path: String
    public let queue: DispatchQueue
    private var handle: OpaquePointer?
    private var statements: [String: Statement] = [:]

    /// Opens or creates a file. Blocks, up to the busy timeout if another process writes.
    ///
    /// - Parameters:
    ///   - busyTimeout: how long a write waits for another connection before it fails with `busy`.
    ///   - queue: a serial queue, possibly that of the owning object. This initializer may be called on any queue.
    public init(
        path: String, synchronous: Synchronous = .full, busyTimeout: Duration = .zero, queue: DispatchQueue
    ) throws(DatabaseError) {
        self.path = path
        self.queue = queue
        Self.createPrivate(path)
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, handle != nil else { throw failure(code) }
        let milliseconds =
            busyTimeout.components.seconds * 1000 + busyTimeout.components.attoseconds / 1_000_000_000_000_000
        sqlite3_busy_timeout(handle, Int32(clamping: milliseconds))
        // The first access to the file, which fails if it is no database.
        try run(script: "PRAGMA journal_mode = WAL")
        try run(script: "PRAGMA synchronous = \(synchronous.rawValue)")
    }

    /// Creates a missing file for its user alone: messages carry secrets. SQLite gives its other files the same mode. If that fails,
    /// opening says why.
    private static func createPrivate(_ path: String) {
        let descriptor = Glibc.open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    deinit { release() }

    /// Runs work on the queue.
    public func perform<Result: Sendable>(
        _ work: @escaping @Sendable (Connection) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try work(self) }) }
        }
    }

    /// Closes the file; later uses fail with `misuse`. The last connection merges and removes the `-wal` file.
    public func close() {
        assertOnQueue()
        release()
    }

    // MARK: - Statements

    /// Runs one or more SQL statements without values and rows.
    public func execute(script: String) throws(DatabaseError) {
        assertOnQueue()
        try run(script: script)
    }

    /// Runs a statement and ignores its rows.
    public func execute(_ sql: String, _ values: [Value] = []) throws(DatabaseError) {
        try statement(sql).execute(values)
    }

    /// Returns the rows of a statement, each converted by `read`.
    public func rows<Element>(
        _ sql: String, _ values: [Value] = [], _ read: (borrowing Row) throws -> Element
    ) throws -> [Element] {
        var result: [Element] = []
        try statement(sql).forEach(values) { result.append(try read($0)) }
        return result
    }

    /// Returns the first row of a statement, converted by `read`; nil if there is none.
    public func first<Element>(
        _ sql: String, _ values: [Value] = [], _ read: (borrowing Row) throws -> Element
    ) throws -> Element? {
        try statement(sql).first(values, read)
    }

    /// Iterates over the rows of a statement.
    public func forEach(_ sql: String, _ values: [Value] = [], _ body: (borrowing Row) throws -> Void) throws {
        try statement(sql).forEach(values, body)
    }

    /// Returns a prepared statement, cached until the connection is closed.
    public func statement(_ sql: String) throws(DatabaseError) -> Statement {
        assertOnQueue()
        if let cached = statements[sql] { return cached }
        var pointer: OpaquePointer?
        let code = sqlite3_prepare_v3(
            try open(), sql, Int32(sql.utf8.count), UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard code == SQLITE_OK, let pointer else { throw failure(code, sql) }
        let prepared = Statement(pointer, sql: sql, connection: self)
        statements[sql] = prepared
        return prepared
    }

    /// The row id of the last insert.
    public var lastInsertedNumber: Int64 {
        assertOnQueue()
        return handle.map { sqlite3_last_insert_rowid($0) } ?? 0
    }

    /// Runs a transaction: `BEGIN IMMEDIATE` and `COMMIT`. If the body or the commit throws, nothing has changed.
    public func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try execute("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // A failed commit may leave the transaction open; some errors have ended it already. The first error is
            // thrown.
            if let handle, sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
            throw error
        }
    }

    // MARK: -

    func assertOnQueue() { dispatchPrecondition(condition: .onQueue(queue)) }

    func failure(_ code: Int32, _ sql: String? = nil) -> DatabaseError {
        let words = handle.flatMap { sqlite3_errmsg($0) } ?? sqlite3_errstr(code)
        return DatabaseError(code, words.map { String(cString: $0) } ?? "no reason given", sql: sql)
    }

    private func open() throws(DatabaseError) -> OpaquePointer {
        guard let handle else { throw .closed }
        return handle
    }

    private func run(script: String) throws(DatabaseError) {
        let code = sqlite3_exec(try open(), script, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, script) }
    }

    /// Finalizes statements first, because open ones keep the file open.
    private func release() {
        for statement in statements.values { statement.finalize() }
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }
}
