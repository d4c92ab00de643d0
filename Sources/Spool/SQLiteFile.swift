import Foundation
import GRDB

/// Why a file of this room cannot be used.
public struct SpoolError: Error, CustomStringConvertible {
    /// The reason and what to do, for people.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// A SQLite file that one process holds.
enum SQLiteFile {
    /// How hard a commit is pressed onto the disk.
    enum Sync: String { case full, normal }

    /// Opens a database in WAL mode.
    static func open(_ path: String, sync: Sync, prepare: @escaping @Sendable (Database) throws -> Void = { _ in })
        throws
        -> DatabaseQueue
    {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = \(sync.rawValue.uppercased())")
            try prepare(database)
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Whether an error means that the file is no database any more.
    static func isCorruption(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
    }

    /// Gives a file and what belongs to it another name.
    ///
    /// - Returns: the new name.
    static func setAside(_ path: String, at seconds: Int64) throws -> String {
        var name = "\(path).corrupted-\(seconds)"
        var count = 1
        while FileManager.default.fileExists(atPath: name) {
            name = "\(path).corrupted-\(seconds)-\(count)"
            count += 1
        }
        for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.moveItem(atPath: path + suffix, toPath: name + suffix)
        }
        return name
    }
}

/// A database that is opened once and used by one caller at a time.
actor DatabaseFile {
    private let path: String
    private var database: DatabaseQueue?

    private let sync: SQLiteFile.Sync

    init(path: String, sync: SQLiteFile.Sync = .full) {
        self.path = path
        self.sync = sync
    }

    func open(_ prepare: @Sendable (Database) throws -> Void) throws {
        let opened = try SQLiteFile.open(path, sync: sync)
        try opened.write { try prepare($0) }
        database = opened
    }

    func write<Result: Sendable>(_ body: @Sendable (Database) throws -> Result) throws -> Result {
        guard let database else { throw SpoolError("the file '\(path)' is not open") }
        return try database.write { try body($0) }
    }

    func close() {
        // A file that cannot be closed in order is closed by the end of the process; nothing is lost by it.
        try? database?.close()
        database = nil
    }
}

/// A lock that one process has, until it lets go of it or ends.
final class ProcessLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `SpoolError` where another process has it.
    init(path: String) throws {
        descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SpoolError("'\(path)' cannot be written: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw SpoolError("another process uses the spool of '\(path)'; each gateway needs a spool of its own")
        }
    }

    func release() { close(descriptor) }
}
