import Database
import Dispatch
import Locking
import Wire

/// The items in a SQLite file. Changes that arrive during a transaction share the next one: many items, one fsync.
/// Thread-safe.
final class ItemDatabase: Sendable {
    enum Change: Sendable {
        case put(String, String, StoredItem)
        case delete(String, String)
    }

    typealias Done = @Sendable (Result<Void, any Error>) -> Void

    private let connection: Connection
    private let queue = DispatchQueue(label: "hecate.argus.journal")
    private let pending = Mutex<[(change: Change, done: Done)]>([])

    /// - Throws: if the file cannot be opened or has another format.
    init(path: String) throws {
        let (queue, connection) = (queue, try Connection(path: path, queue: queue))
        self.connection = connection
        try queue.sync {
            try connection.transaction {
                try connection.execute(
                    script: """
                        CREATE TABLE IF NOT EXISTS item (
                            bucket TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, data BLOB NOT NULL,
                            end INTEGER NOT NULL, PRIMARY KEY (bucket, id)
                        ) WITHOUT ROWID
                        """)
            }
        }
    }

    /// Loads all items that have not expired.
    func load(after now: Timestamp, _ item: (String, String, StoredItem) -> Void) throws {
        try queue.sync {
            try connection.forEach(
                "SELECT bucket, id, owner, data, end FROM item WHERE end > ?", [.integer(now.seconds)]
            ) { row in
                let stored = StoredItem(
                    owner: row.text(2), data: row.blob(3), end: Timestamp(seconds: row.integer(4)))
                item(row.text(0), row.text(1), stored)
            }
        }
    }

    /// Writes a change. `done` is called on the database's queue when it is on disk or has failed.
    func append(_ change: Change, done: @escaping Done) {
        let isFirst = pending.withLock { pending in
            pending.append((change, done))
            return pending.count == 1
        }
        if isFirst { queue.async { self.write() } }
    }

    /// Deletes expired items.
    func sweep(before now: Timestamp) {
        queue.async { [connection] in
            // If this fails, the next load skips them and the next sweep deletes them.
            try? connection.transaction {
                try connection.execute("DELETE FROM item WHERE end <= ?", [.integer(now.seconds)])
            }
        }
    }

    private func write() {
        let changes = pending.withLock { pending in
            defer { pending = [] }
            return pending
        }
        let result = Result {
            try connection.transaction {
                for (change, _) in changes { try apply(change) }
            }
        }
        for (_, done) in changes { done(result) }
    }

    private func apply(_ change: Change) throws {
        switch change {
        case .put(let bucket, let id, let item):
            try connection.execute(
                "INSERT OR REPLACE INTO item (bucket, id, owner, data, end) VALUES (?, ?, ?, ?, ?)",
                [.text(bucket), .text(id), .text(item.owner), .blob(item.data), .integer(item.end.seconds)])
        case .delete(let bucket, let id):
            try connection.execute(
                "DELETE FROM item WHERE bucket = ? AND id = ?", [.text(bucket), .text(id)])
        }
    }
}
