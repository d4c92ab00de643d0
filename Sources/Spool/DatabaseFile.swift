import Database
import Dispatch
import Glibc
import Locking

/// A database file that several processes may use, on a queue of its own. Thread-safe.
final class DatabaseFile: Sendable {
    /// The queue of the file.
    let queue: DispatchQueue

    private let path: String
    private let synchronous: Connection.Synchronous
    private let connection = Mutex<Connection?>(nil)

    init(path: String, synchronous: Connection.Synchronous = .full) {
        self.path = path
        self.synchronous = synchronous
        queue = DispatchQueue(label: "hecate.database")
    }

    /// Opens the file and prepares it in one transaction.
    func open(_ prepare: @escaping @Sendable (Connection) throws -> Void) async throws {
        try await onQueue { [self] in
            let opened = try Connection(
                path: path, synchronous: synchronous, busyTimeout: SpoolFile.busyTimeout, queue: queue)
            try opened.transaction { try prepare(opened) }
            connection.withLock { $0 = opened }
        }
    }

    /// Writes in one transaction.
    func write<Result: Sendable>(_ body: @escaping @Sendable (Connection) throws -> Result) async throws -> Result {
        try await onQueue { [self] in
            let connection = try opened()
            return try connection.transaction { try body(connection) }
        }
    }

    /// Reads, concurrently with writers.
    func read<Result: Sendable>(_ body: @escaping @Sendable (Connection) throws -> Result) async throws -> Result {
        try await onQueue { [self] in try body(try opened()) }
    }

    /// Closes the file after all earlier work.
    func close() async {
        await withCheckedContinuation { continuation in
            queue.async { [self] in
                connection.withLock { connection in
                    connection?.close()
                    connection = nil
                }
                continuation.resume()
            }
        }
    }

    /// Returns the connection, for work on the queue.
    func opened() throws(SpoolError) -> Connection {
        guard let connection = connection.withLock({ $0 }) else { throw SpoolError("the file '\(path)' is not open") }
        return connection
    }

    private func onQueue<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try work() }) }
        }
    }
}
