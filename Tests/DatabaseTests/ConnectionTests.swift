import Database
import Dispatch
import Foundation
import TestSupport
import Testing

@Suite struct ConnectionTests {
    private struct Mistake: Error {}

    private let folder: FileFolder
    private let queue = DispatchQueue(label: "test")
    private var path: String { "\(folder.path)/file.sqlite" }

    init() throws { folder = try FileFolder() }

    private func open(
        _ synchronous: Connection.Synchronous = .full, busyTimeout: Duration = .zero, on queue: DispatchQueue? = nil
    ) throws -> Connection {
        try Connection(path: path, synchronous: synchronous, busyTimeout: busyTimeout, queue: queue ?? self.queue)
    }

    private func isThere(_ suffix: String) -> Bool { FileManager.default.fileExists(atPath: path + suffix) }

    private func on<Result>(_ queue: DispatchQueue, _ body: () throws -> Result) throws -> Result {
        try queue.sync { try body() }
    }

    private func count(_ connection: Connection) throws -> Int64? {
        try connection.first("SELECT count(*) FROM t") { $0.integer(0) }
    }

    private func table(_ connection: Connection) throws {
        try connection.execute(script: "CREATE TABLE t (number INTEGER PRIMARY KEY, text TEXT, bytes BLOB)")
    }

    @Test func aNewFileIsItsUsersAlone() throws {
        let connection = try open()
        try on(queue) { () throws in
            try table(connection)
            for suffix in ["", "-wal"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: path + suffix)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(suffix)")
            }
            connection.close()
        }
    }

    @Test(arguments: [(Connection.Synchronous.full, 2), (.normal, 1)])
    func aFileIsInWALModeAndSynchronousAsIsSaid(synchronous: Connection.Synchronous, number: Int) throws {
        let connection = try open(synchronous)
        try on(queue) { () throws in
            #expect(try connection.first("PRAGMA journal_mode") { $0.text(0) } == "wal")
            #expect(try connection.first("PRAGMA synchronous") { Int($0.integer(0)) } == number)
            connection.close()
        }
    }

    @Test func valuesComeBackAsTheyWere() throws {
        let connection = try open()
        let texts = ["", "a", "a\0b", "\0", "é 👍 \r\n '\" ?", String(repeating: "x", count: 100_000)]
        let blobs: [[UInt8]] = [[], [0], [0, 1, 0xff], Array("text".utf8), [UInt8](repeating: 7, count: 100_000)]
        try on(queue) { () throws in
            try table(connection)
            for text in texts { try connection.execute("INSERT INTO t (text) VALUES (?)", [.text(text)]) }
            for bytes in blobs { try connection.execute("INSERT INTO t (bytes) VALUES (?)", [.blob(bytes)]) }
            #expect(connection.lastInsertedNumber == Int64(texts.count + blobs.count))
            #expect(
                try connection.rows("SELECT text FROM t WHERE text IS NOT NULL ORDER BY number") { $0.text(0) } == texts
            )
            #expect(
                try connection.rows("SELECT bytes FROM t WHERE bytes IS NOT NULL ORDER BY number") { $0.blob(0) }
                    == blobs)
            // They are texts and BLOBs for others that read the file, too.
            #expect(try connection.first("SELECT typeof(bytes) FROM t WHERE bytes = x''") { $0.text(0) } == "blob")
            #expect(try connection.first("SELECT typeof(text) FROM t WHERE text = ''") { $0.text(0) } == "text")
            for number in [0, -1, Int64.max, .min] {
                #expect(try connection.first("SELECT ?", [.integer(number)]) { $0.integer(0) } == number)
            }
            #expect(try connection.first("SELECT ?", [.null]) { $0.isNull(0) } == true)
            #expect(try connection.first("SELECT ?", [.integer(orNull: nil)]) { $0.isNull(0) } == true)
            #expect(try connection.first("SELECT ?", [.bool(true)]) { $0.integer(0) } == 1)
            #expect(try connection.first("SELECT NULL") { ($0.text(0), $0.integer(0), $0.blob(0)) }! == ("", 0, []))
            #expect(try connection.first("SELECT 1 WHERE 0") { $0.integer(0) } == nil)
            connection.close()
        }
    }

    @Test func aTransactionIsMadeAsAWholeOrNotAtAll() throws {
        let connection = try open()
        try on(queue) { () throws in
            try table(connection)
            let result = try connection.transaction {
                try connection.execute("INSERT INTO t (number) VALUES (1)")
                return "done"
            }
            #expect(result == "done")
            #expect(throws: Mistake.self) {
                try connection.transaction {
                    try connection.execute("INSERT INTO t (number) VALUES (2)")
                    throw Mistake()
                }
            }
            #expect {
                try connection.transaction { try connection.execute("INSERT INTO t (number) VALUES (1)") }
            } throws: {
                ($0 as? DatabaseError)?.code == .constraint
            }
            #expect(try count(connection) == 1)
            connection.close()
        }
    }

    @Test func aCommitThatFailsLeavesNothingBehind() throws {
        let connection = try open()
        try on(queue) { () throws in
            try table(connection)
            // What a deferred key refers to is looked for by the commit, which fails and leaves the transaction open.
            try connection.execute(
                script: """
                    PRAGMA foreign_keys = ON;
                    CREATE TABLE child (parent INTEGER REFERENCES t (number) DEFERRABLE INITIALLY DEFERRED);
                    """)
            for _ in 0..<2 {
                #expect {
                    try connection.transaction {
                        try connection.execute("INSERT INTO t (number) VALUES (1)")
                        try connection.execute("INSERT INTO child (parent) VALUES (7)")
                    }
                } throws: { error in
                    guard let error = error as? DatabaseError else { return false }
                    return error.code == .constraint && error.sql == "COMMIT"
                        && "\(error)"
                            == "SQLite error 19: FOREIGN KEY constraint failed - while executing `COMMIT`"
                }
            }
            #expect(try count(connection) == 0)
            try connection.transaction { try connection.execute("INSERT INTO t (number) VALUES (1)") }
            #expect(try count(connection) == 1)
            connection.close()
        }
    }

    @Test func whoWritesIsAloneFromTheBeginOn() throws {
        let (mine, others) = (try open(), DispatchQueue(label: "other"))
        let other = try open(on: others)
        try on(queue) { () throws in
            try table(mine)
            try mine.transaction {
                // Nothing is written yet.
                try on(others) { () throws in
                    #expect { try other.transaction {} } throws: { ($0 as? DatabaseError)?.code == .busy }
                    #expect(throws: Never.self) { try count(other) }
                }
            }
            try on(others) { try other.transaction {} }
            mine.close()
        }
        try on(others) { other.close() }
    }

    @Test func aBusyTimeIsWaitedForTheOther() async throws {
        let others = DispatchQueue(label: "other")
        let other = try open(busyTimeout: .seconds(60), on: others)
        let mine = try open()
        try on(queue) { () throws in
            try table(mine)
            try mine.execute("BEGIN IMMEDIATE")
        }
        async let waiting: Void = other.perform { other in
            try other.transaction { try other.execute("INSERT INTO t (number) VALUES (1)") }
        }
        try await Task.sleep(for: .milliseconds(50))
        try on(queue) { () throws in
            #expect(try count(mine) == 0)
            try mine.execute("COMMIT")
        }
        try await waiting
        try on(queue) { () throws in
            #expect(try count(mine) == 1)
            mine.close()
        }
        try on(others) { other.close() }
    }

    @Test func whatIsNoDatabaseIsSaid() throws {
        let text = "this is no database, but it is long enough to be looked at, and more than a header"
        for content in [text, "SQLite format 3\0 and then nonsense", "xy"] {
            try folder.write("file.sqlite", content)
            #expect { try open() } throws: { error in
                guard let error = error as? DatabaseError else { return false }
                return error.isCorruption
                    && "\(error)"
                        == "SQLite error 26: file is not a database - while executing `PRAGMA journal_mode = WAL`"
            }
            #expect(try folder.text("file.sqlite") == content)
        }
        for path in ["/nonexistent/file.sqlite", folder.path] {
            #expect { try Connection(path: path, queue: queue) } throws: {
                "\($0)" == "SQLite error 14: unable to open database file"
                    && ($0 as? DatabaseError)?.code == .cannotOpen
            }
        }
    }

    @Test func aDamagedFileIsSaid() throws {
        let connection = try open()
        try on(queue) { () throws in
            try table(connection)
            try connection.transaction {
                for _ in 0..<100 {
                    try connection.execute(
                        "INSERT INTO t (bytes) VALUES (?)", [.blob([UInt8](repeating: 7, count: 2000))])
                }
            }
            connection.close()
        }
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        for offset in 8192..<(bytes.count - 4096) where offset % 4096 < 512 { bytes[offset] = 0xee }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let damaged = try open()
        try on(queue) { () throws in
            #expect { try damaged.rows("SELECT bytes FROM t") { $0.blob(0) } } throws: {
                ($0 as? DatabaseError)?.isCorruption == true
            }
            damaged.close()
        }
    }

    @Test func aFullDiskIsSaidAndWhatWasThereStays() throws {
        let connection = try open()
        try on(queue) { () throws in
            try table(connection)
            try connection.execute(script: "PRAGMA max_page_count = 20")
            var stored: Int64 = 0
            for _ in 0..<40 {
                do {
                    try connection.transaction {
                        try connection.execute(
                            "INSERT INTO t (bytes) VALUES (?)", [.blob([UInt8](repeating: 7, count: 5000))])
                    }
                    stored += 1
                } catch let error as DatabaseError {
                    #expect(error.code == .full && error.message == "database or disk is full")
                }
            }
            #expect(stored > 0 && stored < 40)
            #expect(try count(connection) == stored)
            connection.close()
        }
    }

    @Test func theLogIsGoneWithTheLastConnection() throws {
        let connection = try open()
        let kept = try on(queue) { () throws in
            try table(connection)
            let statement = try connection.statement("INSERT INTO t (text) VALUES (?)")
            try statement.execute([.text("a")])
            // A row that was not read to the end holds nothing back either.
            #expect(try connection.first("SELECT text FROM t") { $0.text(0) } == "a")
            #expect(throws: Mistake.self) { try connection.forEach("SELECT text FROM t") { _ in throw Mistake() } }
            #expect(isThere("-wal"))
            connection.close()
            return statement
        }
        #expect(isThere("") && !isThere("-wal") && !isThere("-shm"))
        try on(queue) { () throws in
            #expect { try kept.execute([.text("b")]) } throws: { ($0 as? DatabaseError)?.code == .misuse }
            #expect { try connection.execute("SELECT 1") } throws: { "\($0)" == "SQLite error 21: the file is closed" }
            connection.close()
        }
    }

    @Test func aConnectionThatNobodyHoldsIsClosed() throws {
        do {
            let connection = try open()
            try on(queue) { () throws in
                try table(connection)
                try connection.execute("INSERT INTO t (text) VALUES ('a')")
            }
            #expect(isThere("-wal"))
        }
        #expect(!isThere("-wal"))
    }

    @Test func badSQLIsSaidWithItsText() throws {
        let connection = try open()
        try on(queue) { () throws in
            #expect { try connection.execute("SELEKT 1") } throws: {
                "\($0)" == "SQLite error 1: near \"SELEKT\": syntax error - while executing `SELEKT 1`"
            }
            #expect { try connection.execute("SELECT * FROM absent") } throws: { "\($0)".contains("no such table") }
            connection.close()
        }
    }

    @Test func manyCallersTakeTheirTurns() async throws {
        let connection = try open(.normal)
        try on(queue) { try table(connection) }
        await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    try await connection.perform { connection in
                        try connection.transaction {
                            let before = try connection.first("SELECT count(*) FROM t") { $0.integer(0) } ?? -1
                            try connection.execute("INSERT INTO t (number) VALUES (?)", [.integer(before)])
                            if number % 10 == 0 { throw Mistake() }
                        }
                    }
                }
            }
            while let result = await group.nextResult() {
                if case .failure(let error) = result { #expect(error is Mistake) }
            }
        }
        try on(queue) { () throws in
            #expect(try count(connection) == 180)
            connection.close()
        }
    }

    @Test func offItsQueueNothingIsDone() async {
        await #expect(processExitsWith: .failure) {
            let folder = try FileFolder()
            let connection = try Connection(path: "\(folder.path)/f.sqlite", queue: DispatchQueue(label: "other"))
            try connection.execute("SELECT 1")
        }
    }
}
