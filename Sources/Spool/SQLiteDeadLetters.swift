import Database
public import PipelineKit
public import Wire

/// Stores dead letters in a SQLite file that several processes may use: the gateway adds to it, a person reads it and
/// replays letters. Thread-safe.
public final class SQLiteDeadLetters: DeadLetterStore {
    /// A dead letter with its number in the file.
    public struct StoredDeadLetter: Sendable {
        public var number: Int64
        public var letter: DeadLetter
    }

    private let path: String
    private let file: DatabaseFile

    /// Makes a store. `open` opens its file.
    public init(path: String) {
        self.path = path
        file = DatabaseFile(path: path)
    }

    /// Checks that the file can be written.
    public func prepare() async throws { try SpoolFile.checkWritable(path) }

    /// Opens or creates the file.
    ///
    /// - Throws: `SpoolError`.
    public func open() async throws {
        do {
            try await file.open { connection in
                try connection.execute(
                    script: """
                        CREATE TABLE IF NOT EXISTS letter (
                            number INTEGER PRIMARY KEY AUTOINCREMENT, pipeline TEXT NOT NULL, stage TEXT NOT NULL,
                            reason TEXT NOT NULL, attempts INTEGER NOT NULL, first_s INTEGER NOT NULL, first_ns INTEGER NOT NULL,
                            last_s INTEGER NOT NULL, last_ns INTEGER NOT NULL, \(MessageRow.definition)
                        )
                        """)
            }
        } catch {
            throw SpoolError("the dead letters '\(path)' cannot be opened: \(error)")
        }
    }

    /// Stores a dead letter.
    public func put(_ letter: DeadLetter) async throws {
        let payload = letter.message.payload.bytes(at: letter.message.receivedAt)
        try await file.write { connection in
            try connection.execute(
                """
                INSERT INTO letter (pipeline, stage, reason, attempts, first_s, first_ns, last_s, last_ns, \(MessageRow.columns))
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, \(MessageRow.placeholders))
                """,
                [
                    .text(letter.pipeline), .text(letter.stage), .text(letter.reason), .integer(Int64(letter.attempts)),
                    .integer(letter.first.seconds), .integer(Int64(letter.first.nanoseconds)),
                    .integer(letter.last.seconds), .integer(Int64(letter.last.nanoseconds)),
                ] + MessageRow.values(letter.message, payload: payload))
        }
    }

    /// Returns the dead letters with a number above `number`, in order, at most `limit`.
    public func letters(after number: Int64 = 0, limit: Int) async throws -> [StoredDeadLetter] {
        try await file.read { connection in
            try connection.rows(
                """
                SELECT number, pipeline, stage, reason, attempts, first_s, first_ns, last_s, last_ns, \(MessageRow.columns)
                FROM letter WHERE number > ? ORDER BY number LIMIT ?
                """, [.integer(number), .integer(Int64(limit))]
            ) { row in
                StoredDeadLetter(
                    number: row.integer(0),
                    letter: DeadLetter(
                        message: try MessageRow.message(row, first: 9), pipeline: row.text(1), stage: row.text(2),
                        reason: row.text(3), attempts: Int(clamping: row.integer(4)),
                        first: MessageRow.timestamp(row, 5), last: MessageRow.timestamp(row, 7)))
            }
        }
    }

    /// The number of dead letters, and their most frequent reasons.
    public struct Summary: Sendable {
        /// The dead letters with the same stage and reason.
        public struct Reason: Sendable {
            public var stage: String
            public var reason: String
            public var count: Int
            /// When the last one was refused.
            public var last: Timestamp
        }

        /// How many dead letters there are.
        public var total: Int
        /// The most frequent reasons of the latest 10,000 dead letters, at most 20.
        public var reasons: [Reason]
    }

    /// Counts the dead letters.
    public func summary() async throws -> Summary {
        try await file.read { connection in
            let reasons = try connection.rows(
                """
                SELECT stage, reason, count(*) AS count, max(last_s) AS last
                FROM (SELECT stage, reason, last_s FROM letter ORDER BY number DESC LIMIT 10000)
                GROUP BY stage, reason ORDER BY count DESC, last DESC LIMIT 20
                """
            ) { row in
                Summary.Reason(
                    stage: row.text(0), reason: row.text(1), count: Int(clamping: row.integer(2)),
                    last: Timestamp(seconds: row.integer(3)))
            }
            let total = try connection.first("SELECT count(*) FROM letter") { Int(clamping: $0.integer(0)) }
            return Summary(total: total ?? 0, reasons: reasons)
        }
    }

    /// Removes a dead letter that was delivered after all, or is not wanted any more.
    public func remove(_ number: Int64) async throws {
        try await file.write { try $0.execute("DELETE FROM letter WHERE number = ?", [.integer(number)]) }
    }

    /// Records that a dead letter was replayed and refused again.
    public func updateRefusal(_ number: Int64, stage: String, reason: String, attempts: Int, at time: Timestamp)
        async throws
    {
        try await file.write { connection in
            try connection.execute(
                """
                UPDATE letter SET stage = ?, reason = ?, attempts = attempts + ?, last_s = ?, last_ns = ? WHERE number = ?
                """,
                [
                    .text(stage), .text(reason), .integer(Int64(attempts)), .integer(time.seconds),
                    .integer(Int64(time.nanoseconds)), .integer(number),
                ])
        }
    }

    public func close() async { await file.close() }
}
