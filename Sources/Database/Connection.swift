import CHecateSQLite
public import Dispatch

/// One SQLite file in WAL mode, and the queue that owns it.
///
/// Everything but `perform` and `close` by `deinit` has to be called on the queue, which is asserted: SQLite's own locks are switched
/// off. Errors are `DatabaseError`s. Values are bound, never written into SQL; statements are kept by their text until `close`, so
/// texts come from the program, not from data.
///
/// `@unchecked Sendable`: what changes is touched on the queue only.
public final class Connection: @unchecked Sendable {
    /// How hard a commit is pressed onto the disk.
    public enum Synchronous: String, Sendable {
        /// A commit survives a power failure.
        case full = "FULL"
        /// A commit survives the end of the process; a power failure may take the last ones, never the file.
        case normal = "NORMAL"
    }

    /// The file.
    public let path: String
    /// The queue that owns the connection.
    public let queue: DispatchQueue
    private var handle: OpaquePointer?
    private var statements: [String: Statement] = [:]

    /// Opens a file, and makes it where there is none. Blocks, for the busy time at most where another process writes.
    ///
    /// - Parameters:
    ///   - busyTime: how long a write waits for that of another connection before it fails as `busy`.
    ///   - queue: a serial queue. It may be that of the object whose file this is; nobody but this call uses the connection yet, so
    ///     that this may be called on any.
    public init(
        path: String, synchronous: Synchronous = .full, busyTimeout: Duration = .zero, queue: DispatchQueue
    ) throws(DatabaseError) {
        self.path = path
        self.queue = queue
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, handle != nil else { throw failure(code) }
        let milliseconds =
            busyTimeout.components.seconds * 1000 + busyTimeout.components.attoseconds / 1_000_000_000_000_000
        sqlite3_busy_timeout(handle, Int32(clamping: milliseconds))
        // The first thing that reads the file, and so what fails where it is no database.
        try run(script: "PRAGMA journal_mode = WAL")
        try run(script: "PRAGMA synchronous = \(synchronous.rawValue)")
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

    /// Closes the file; what uses the connection after that fails as `misuse`. Where it is the last connection to the file, SQLite
    /// takes the contents of `-wal` into it and removes that.
    public func close() {
        assertOnQueue()
        release()
    }

    // MARK: - Statements

    /// Runs SQL without values and without rows; several statements may be in it.
    public func execute(script: String) throws(DatabaseError) {
        assertOnQueue()
        try run(script: script)
    }

    /// Runs a statement whose rows, if it has any, are not looked at.
    public func execute(_ sql: String, _ values: [Value] = []) throws(DatabaseError) {
        try statement(sql).execute(values)
    }

    /// The rows of a statement, in their order, each made into something.
    public func rows<Element>(
        _ sql: String, _ values: [Value] = [], _ read: (borrowing Row) throws -> Element
    ) throws -> [Element] {
        var result: [Element] = []
        try statement(sql).forEach(values) { result.append(try read($0)) }
        return result
    }

    /// The first row of a statement, made into something; nil where there is none.
    public func first<Element>(
        _ sql: String, _ values: [Value] = [], _ read: (borrowing Row) throws -> Element
    ) throws -> Element? {
        try statement(sql).first(values, read)
    }

    /// Goes through the rows of a statement.
    public func forEach(_ sql: String, _ values: [Value] = [], _ body: (borrowing Row) throws -> Void) throws {
        try statement(sql).forEach(values, body)
    }

    /// A statement that is prepared once, for those that run often. It ends with the connection.
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

    /// The number of the row that was inserted last.
    public var lastInsertedNumber: Int64 {
        assertOnQueue()
        return handle.map { sqlite3_last_insert_rowid($0) } ?? 0
    }

    /// Runs changes that are all made or none of them: `BEGIN IMMEDIATE`, and `COMMIT` at the end. Where the body throws, or the
    /// commit, nothing has changed.
    public func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try execute("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // A commit that failed may have left the transaction open; some failures have ended it already. The first error counts.
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

    /// Statements first: a file with open statements stays open.
    private func release() {
        for statement in statements.values { statement.finalize() }
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }
}
