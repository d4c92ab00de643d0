import Database
import Dispatch
import Glibc
import Locking

/// Why a file of this module cannot be used.
public struct SpoolError: Error, CustomStringConvertible {
    /// The reason and the remedy, for people.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// What all files of this module share: how they are opened, and how a corrupted one is set aside.
enum SpoolFile {
    /// How long a write waits for another process.
    static let busyTimeout = Duration.seconds(5)

    /// Renames a file and the files that belong to it.
    ///
    /// - Returns: the new path.
    static func setAside(_ path: String, at seconds: Int64) throws -> String {
        var name = "\(path).corrupted-\(seconds)"
        var count = 1
        while Files.exists(name) {
            name = "\(path).corrupted-\(seconds)-\(count)"
            count += 1
        }
        for suffix in ["", "-wal", "-shm"] where Files.exists(path + suffix) {
            try Files.move(path + suffix, to: name + suffix)
        }
        return name
    }
}

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

/// A lock of one process, until it is released or the process ends.
final class ProcessLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `SpoolError` if another process holds it.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SpoolError("'\(path)' cannot be written: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw SpoolError("another process uses the spool '\(path)'; give each gateway a spool of its own")
        }
    }

    func release() { close(descriptor) }
}
