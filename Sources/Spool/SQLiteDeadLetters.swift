import Foundation
import GRDB
public import PipelineKit
public import Wire

/// Dead letters in one SQLite file, which several processes may use at once: the gateway adds to it, a person looks at it and
/// sends letters again. May be used from any thread.
public final class SQLiteDeadLetters: DeadLetterStore {
    /// A letter with its number in the file.
    public struct Kept: Sendable {
        /// Its number.
        public var number: Int64
        /// The letter.
        public var letter: DeadLetter
    }

    private let path: String
    private let file: DatabaseFile

    /// A store; its file is opened later.
    public init(path: String) {
        self.path = path
        file = DatabaseFile(path: path)
    }

    /// Opens the file, and makes it where there is none.
    ///
    /// - Throws: `SpoolError`.
    public func open() async throws {
        do {
            try await file.open { database in
                try database.execute(
                    sql: """
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

    /// Keeps a letter.
    public func put(_ letter: DeadLetter) async throws {
        let payload = letter.message.payload.bytes(at: letter.message.receivedAt)
        try await file.write { database in
            try database.execute(
                sql: """
                    INSERT INTO letter (pipeline, stage, reason, attempts, first_s, first_ns, last_s, last_ns, \(MessageRow.columns))
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, \(MessageRow.places))
                    """,
                arguments: [
                    letter.pipeline, letter.stage, letter.reason, letter.attempts, letter.first.seconds,
                    Int(letter.first.nanoseconds), letter.last.seconds, Int(letter.last.nanoseconds),
                ] + MessageRow.arguments(letter.message, payload: payload))
        }
    }

    /// The letters with a number above `number`, in order, at most `limit`.
    public func letters(after number: Int64 = 0, limit: Int) async throws -> [Kept] {
        try await file.write { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM letter WHERE number > ? ORDER BY number LIMIT ?",
                arguments: [number, limit]
            ).map { row in
                Kept(
                    number: row["number"],
                    letter: DeadLetter(
                        message: try MessageRow.message(row), pipeline: row["pipeline"], stage: row["stage"],
                        reason: row["reason"],
                        attempts: row["attempts"], first: MessageRow.timestamp(row["first_s"], row["first_ns"]),
                        last: MessageRow.timestamp(row["last_s"], row["last_ns"])))
            }
        }
    }

    /// How many letters there are, and for which reasons.
    public struct Digest: Sendable {
        /// Letters of one stage and one reason.
        public struct Reason: Sendable {
            /// The stage that refused them.
            public var stage: String
            /// Why.
            public var reason: String
            /// How many.
            public var count: Int
            /// When the last was refused.
            public var last: Timestamp
        }

        /// How many there are.
        public var total: Int
        /// The most frequent reasons of the latest 10,000 letters, 20 at most.
        public var reasons: [Reason]
    }

    /// Counts the letters.
    public func digest() async throws -> Digest {
        try await file.write { database in
            let reasons = try Row.fetchAll(
                database,
                sql: """
                    SELECT stage, reason, count(*) AS count, max(last_s) AS last
                    FROM (SELECT stage, reason, last_s FROM letter ORDER BY number DESC LIMIT 10000)
                    GROUP BY stage, reason ORDER BY count DESC, last DESC LIMIT 20
                    """)
            return Digest(
                total: try Int.fetchOne(database, sql: "SELECT count(*) FROM letter") ?? 0,
                reasons: reasons.map {
                    .init(
                        stage: $0["stage"], reason: $0["reason"], count: $0["count"],
                        last: Timestamp(seconds: $0["last"]))
                })
        }
    }

    /// Takes a letter out: it was delivered after all, or is not wanted any more.
    public func remove(_ number: Int64) async throws {
        try await file.write { try $0.execute(sql: "DELETE FROM letter WHERE number = ?", arguments: [number]) }
    }

    /// Notes that a letter was sent again and refused again.
    public func refusedAgain(_ number: Int64, stage: String, reason: String, attempts: Int, at time: Timestamp)
        async throws
    {
        try await file.write { database in
            try database.execute(
                sql: """
                    UPDATE letter SET stage = ?, reason = ?, attempts = attempts + ?, last_s = ?, last_ns = ? WHERE number = ?
                    """,
                arguments: [stage, reason, attempts, time.seconds, Int(time.nanoseconds), number])
        }
    }

    /// Closes the file.
    public func close() async { await file.close() }
}
