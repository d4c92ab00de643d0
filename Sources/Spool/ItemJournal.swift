import Database
import Dispatch
import Locking
public import Wire

/// Which items a gateway has written, and which of them it created, in one SQLite file: what a rollback goes by. It survives the end
/// of the process, in whichever way that comes; the loss of power may cost the last moments. Several processes may use the file at
/// once. May be used from any thread.
public final class ItemJournal: Sendable {
    /// What is known of an item.
    public struct Entry: Sendable, Equatable {
        /// The item's id.
        public var id: String
        /// Whose it is; empty for nobody's.
        public var owner: String
        /// Whether it was not there before this gateway wrote it.
        public var wasCreated: Bool
        /// When it was last written.
        public var written: Timestamp
        /// When it ends, as it was last written.
        public var end: Timestamp

        /// An entry.
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

    /// Called when an entry is in the file, or cannot be.
    public typealias Done = @Sendable (Result<Void, any Error>) -> Void

    /// How long an item is remembered that has ended.
    private static let retention = Duration.seconds(24 * 3600)

    private let path: String
    private let file: DatabaseFile
    private let pending = Mutex<[Pending]>([])

    /// A journal; its file is opened later.
    public init(path: String) {
        self.path = path
        file = DatabaseFile(path: path, synchronous: .normal)
    }

    /// Opens the file, makes it where there is none, and forgets what has ended long ago.
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

    /// Notes that an item was written; returns when that is in the file.
    ///
    /// An item that was created stays so, whatever is written to it later, unless it had ended in between.
    /// - Throws: why it cannot be noted.
    public func record(_ entry: Entry) async throws {
        try await withCheckedThrowingContinuation { continuation in
            record(entry) { continuation.resume(with: $0) }
        }
    }

    /// Notes that an item was written, as `record(_:)` does. Those that come meanwhile share one commit.
    ///
    /// - Parameter done: called on a queue of the journal's.
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

    /// Everything that is known, in the order of the ids.
    public func entries() async throws -> [Entry] {
        try await file.read { connection in
            try connection.rows("SELECT id, owner, created, written, ends FROM item ORDER BY id, owner") { row in
                Entry(
                    id: row.text(0), owner: row.text(1), wasCreated: row.integer(2) != 0,
                    written: Timestamp(seconds: row.integer(3)), end: Timestamp(seconds: row.integer(4)))
            }
        }
    }

    /// Forgets an item.
    public func remove(_ id: String, of owner: String) async throws {
        try await file.write { connection in
            try connection.execute("DELETE FROM item WHERE id = ? AND owner = ?", [.text(id), .text(owner)])
        }
    }

    /// Lets go of the file.
    public func close() async { await file.close() }
}
