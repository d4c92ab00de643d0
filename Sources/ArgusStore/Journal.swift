import Dispatch
import Foundation
import GRDB
import Locking
import Wire

/// The items on disk, in one SQLite file. What arrives while a transaction is under way goes into the next one together: many
/// items, one fsync. May be used from any thread.
final class Journal: Sendable {
    enum Change: Sendable {
        case put(String, String, StoredItem)
        case delete(String, String)
    }

    typealias Done = @Sendable (Result<Void, any Error>) -> Void

    private struct Pending {
        var changes: [(Change, Done)] = []
        var isScheduled = false
    }

    private let database: DatabaseQueue
    private let queue = DispatchQueue(label: "hecate.argus.journal")
    private let pending = Mutex(Pending())

    /// - Throws: where the file cannot be opened or is no such file.
    init(path: String) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        database = try DatabaseQueue(path: path, configuration: configuration)
        try database.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS item (
                        bucket TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, data BLOB NOT NULL,
                        end INTEGER NOT NULL, PRIMARY KEY (bucket, id)
                    ) WITHOUT ROWID
                    """)
        }
    }

    /// Hands over every item that has not ended.
    func load(after now: Timestamp, _ item: (String, String, StoredItem) -> Void) throws {
        try database.read { database in
            let rows = try Row.fetchCursor(
                database, sql: "SELECT bucket, id, owner, data, end FROM item WHERE end > ?", arguments: [now.seconds])
            while let row = try rows.next() {
                let data: Data = row["data"]
                let stored = StoredItem(owner: row["owner"], data: [UInt8](data), end: Timestamp(seconds: row["end"]))
                item(row["bucket"], row["id"], stored)
            }
        }
    }

    /// Writes a change. `done` is called, on a queue of this object, when it is on the disk or cannot be.
    func append(_ change: Change, done: @escaping Done) {
        let needsWakeUp = pending.withLock { pending in
            pending.changes.append((change, done))
            defer { pending.isScheduled = true }
            return !pending.isScheduled
        }
        if needsWakeUp { queue.async { self.write() } }
    }

    /// Forgets what has ended.
    func sweep(before now: Timestamp) {
        queue.async { [database] in
            // What could not be deleted now is left out by the next load, and deleted by the next sweep.
            try? database.write { try $0.execute(sql: "DELETE FROM item WHERE end <= ?", arguments: [now.seconds]) }
        }
    }

    private func write() {
        let changes = pending.withLock { pending in
            pending.isScheduled = false
            defer { pending.changes = [] }
            return pending.changes
        }
        let result = Result {
            try database.write { database in
                for (change, _) in changes { try Self.apply(change, database) }
            }
        }
        for (_, done) in changes { done(result) }
    }

    private static func apply(_ change: Change, _ database: Database) throws {
        switch change {
        case .put(let bucket, let id, let item):
            let statement = try database.cachedStatement(
                sql: "INSERT OR REPLACE INTO item (bucket, id, owner, data, end) VALUES (?, ?, ?, ?, ?)")
            try statement.execute(arguments: [bucket, id, item.owner, Data(item.data), item.end.seconds])
        case .delete(let bucket, let id):
            let statement = try database.cachedStatement(sql: "DELETE FROM item WHERE bucket = ? AND id = ?")
            try statement.execute(arguments: [bucket, id])
        }
    }
}
