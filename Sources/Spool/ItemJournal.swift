import Database
import Dispatch
import Locking
public import Wire

/// Records which items a gateway has written, and which of them it created, in a SQLite file that rollbacks use.
/// Survives the end of the process; a power failure may lose the last moments. Several processes may use the file.
/// Thread-safe.
public final class ItemJournal: Sendable {
    /// What is recorded of an item.
    public struct Entry: Sendable, Equatable {
        public var id: String
        /// The owner; empty for none.
        public var owner: String
        /// Whether this gateway created the item.
        public var wasCreated: Bool
        /// When the item was last written.
        public var written: Timestamp
        /// When the item expires, as it was last written.
        public var end: Timestamp

        public init(id: String, owner: String, wasCreated: Bool, written: Timestamp, end: Timestamp) {
            self.id = id
            self.owner = owner
            self.wasCreated = wasCreated
            self.written = written
            self.end = end
        }
    }

    private struct Pending {
        let entry: Entry
        let done: Done
    }

    /// Called when an entry is in the file, or has failed.
    public typealias Done = @Sendable (Result<Void, any Error>) -> Void

    /// How long expired items are kept.
    private static let retention = Duration.seconds(24 * 3600)

    private let path: String
    private let file: DatabaseFile
    private let pending = Mutex<[Pending]>([])

    /// Makes a journal. `open` opens its file.
    public init(path: String) {
        self.path = path
        file = DatabaseFile(path: path, synchronous: .normal)
    }

    /// Opens or creates the file, and removes items that expired long ago.
    ///
    /// - Throws: `SpoolError`.
    public func open() async throws {
        let past = Timestamp.now().seconds - Self.retention.components.seconds
        do {
            try await file.open { connection in
                try connection.execute(
                    script: """
                        CREATE TABLE IF NOT EXISTS item (
                            id TEXT NOT NULL, owner TEXT NOT NULL, created INTEGER NOT NULL, written INTEGER NOT NULL,
                            ends INTEGER NOT NULL, PRIMARY KEY (id, owner)
                        ) WITHOUT ROWID
                        """)
                try connection.execute("DELETE FROM item WHERE ends < ?", [.integer(past)])
            }
        } catch {
            throw SpoolError("the journal '\(path)' cannot be opened: \(error)")
        }
    }

    /// Records that an item was written. Returns when that is in the file.
    ///
    /// A created item stays marked as created when it is written again, unless it had expired.
    /// - Throws: why it cannot be recorded.
    public func record(_ entry: Entry) async throws {
        try await withCheckedThrowingContinuation { continuation in
            record(entry) { continuation.resume(with: $0) }
        }
    }

    /// Records that an item was written, as `record(_:)` does. Concurrent calls share a commit.
    ///
    /// - Parameter done: called on the journal's queue.
    public func record(_ entry: Entry, done: @escaping Done) {
        let isFirst = pending.withLock { pending in
            pending.append(Pending(entry: entry, done: done))
            return pending.count == 1
        }
        if isFirst { file.queue.async { self.writePending() } }
    }

    private func writePending() {
        let batch = pending.withLock { pending in
            defer { pending = [] }
            return pending
        }
        let result = Result {
            let connection = try file.opened()
            try connection.transaction {
                let statement = try connection.statement(
                    """
                    INSERT INTO item (id, owner, created, written, ends) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (id, owner) DO UPDATE SET
                        created = CASE WHEN excluded.created OR ends < excluded.written THEN excluded.created ELSE created END,
                        written = excluded.written, ends = excluded.ends
                    """)
                for entry in batch.map(\.entry) {
                    try statement.execute([
                        .text(entry.id), .text(entry.owner), .bool(entry.wasCreated), .integer(entry.written.seconds),
                        .integer(entry.end.seconds),
                    ])
                }
            }
        }
        for pending in batch { pending.done(result) }
    }

    /// Returns all entries, sorted by id.
    public func entries() async throws -> [Entry] {
        try await file.read { connection in
            try connection.rows("SELECT id, owner, created, written, ends FROM item ORDER BY id, owner") { row in
                Entry(
                    id: row.text(0), owner: row.text(1), wasCreated: row.integer(2) != 0,
                    written: Timestamp(seconds: row.integer(3)), end: Timestamp(seconds: row.integer(4)))
            }
        }
    }

    /// Removes an item.
    public func remove(_ id: String, of owner: String) async throws {
        try await file.write { connection in
            try connection.execute("DELETE FROM item WHERE id = ? AND owner = ?", [.text(id), .text(owner)])
        }
    }

    public func close() async { await file.close() }
}
