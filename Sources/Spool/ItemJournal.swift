import GRDB
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
        let done: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var pending: [Pending] = []
        var isWriting = false
    }

    /// How long an item is remembered that has ended.
    private static let memory = Duration.seconds(24 * 3600)

    private let path: String
    private let file: DatabaseFile
    private let state = Mutex(State())

    /// A journal; its file is opened later.
    public init(path: String) {
        self.path = path
        file = DatabaseFile(path: path, sync: .normal)
    }

    /// Opens the file, makes it where there is none, and forgets what has ended long ago.
    ///
    /// - Throws: `SpoolError`.
    public func open() async throws {
        let past = Timestamp.now().seconds - Self.memory.components.seconds
        do {
            try await file.open { database in
                try database.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS item (
                            id TEXT NOT NULL, owner TEXT NOT NULL, created INTEGER NOT NULL, written INTEGER NOT NULL,
                            ends INTEGER NOT NULL, PRIMARY KEY (id, owner)
                        ) WITHOUT ROWID
                        """)
                try database.execute(sql: "DELETE FROM item WHERE ends < ?", arguments: [past])
            }
        } catch {
            throw SpoolError("the journal '\(path)' cannot be opened: \(error)")
        }
    }

    /// Notes that an item was written; returns when that is in the file. Those that come meanwhile share one commit.
    ///
    /// An item that was created stays so, whatever is written to it later, unless it had ended in between.
    /// - Throws: why it cannot be noted.
    public func note(_ entry: Entry) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let begins = state.withLock { state in
                state.pending.append(Pending(entry: entry, done: continuation))
                defer { state.isWriting = true }
                return !state.isWriting
            }
            if begins { Task { await writePending() } }
        }
    }

    private func writePending() async {
        while true {
            let batch: [Pending] = state.withLock { state in
                if state.pending.isEmpty { state.isWriting = false }
                defer { state.pending = [] }
                return state.pending
            }
            guard !batch.isEmpty else { return }
            let entries = batch.map(\.entry)
            do {
                try await file.write { database in
                    let statement = try database.cachedStatement(
                        sql: """
                            INSERT INTO item (id, owner, created, written, ends) VALUES (?, ?, ?, ?, ?)
                            ON CONFLICT (id, owner) DO UPDATE SET
                                created = CASE WHEN excluded.created OR ends < excluded.written THEN excluded.created ELSE created END,
                                written = excluded.written, ends = excluded.ends
                            """)
                    for entry in entries {
                        try statement.execute(arguments: [
                            entry.id, entry.owner, entry.wasCreated, entry.written.seconds, entry.end.seconds,
                        ])
                    }
                }
                for pending in batch { pending.done.resume() }
            } catch {
                for pending in batch { pending.done.resume(throwing: error) }
            }
        }
    }

    /// Everything that is known, in the order of the ids.
    public func entries() async throws -> [Entry] {
        try await file.write { database in
            try Row.fetchAll(database, sql: "SELECT * FROM item ORDER BY id, owner").map { row in
                Entry(
                    id: row["id"], owner: row["owner"], wasCreated: row["created"],
                    written: Timestamp(seconds: row["written"]), end: Timestamp(seconds: row["ends"]))
            }
        }
    }

    /// Forgets an item.
    public func remove(_ id: String, of owner: String) async throws {
        try await file.write { database in
            try database.execute(sql: "DELETE FROM item WHERE id = ? AND owner = ?", arguments: [id, owner])
        }
    }

    /// Lets go of the file.
    public func close() async { await file.close() }
}
