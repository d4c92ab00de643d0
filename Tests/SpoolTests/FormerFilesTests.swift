import Database
import Foundation
import Telemetry
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Spool

/// Files that the program wrote when it stood on GRDB (Tests/Fixtures/databases): 60 messages that waited when it was killed, 40 dead
/// letters, a journal of 30 items.
@Suite struct FormerFilesTests {
    private let scratch: Scratch
    init() throws { scratch = try Scratch() }

    private func copy(_ name: String) throws -> String {
        let path = scratch.path(name)
        try FileManager.default.copyItem(
            at: Fixtures.directory.appendingPathComponent("databases/\(name)"), to: URL(fileURLWithPath: path))
        return path
    }

    @Test func aSpoolGoesOnWhereItWas() async throws {
        let spool = SQLiteSpool(
            .init(path: try copy("spool.sqlite")), pipeline: "test",
            logger: Logger(label: "test") { _ in SilentLogHandler() }, metrics: SilentMetrics())
        #expect(try await spool.open() == 60)
        let messages = try await spool.read(after: 0, limit: 100)
        #expect(messages.map(\.number) == Array(1...60))
        #expect(messages.map(\.message.id) == (0..<60).map { "generated-\($0)" })
        let first = try #require(messages.first?.message)
        #expect(first.key == "http://generated.example/hook/0")
        #expect(first.receivedAt.seconds == 1_795_872_429)
        let payload = first.payload.bytes(at: first.receivedAt)
        #expect(try JSONValue(parsing: payload)["config"]?["url"] == .string("http://generated.example/hook/0"))
        await withCheckedContinuation { continuation in
            spool.append([Message(id: "new", payload: Bytes([]), receivedAt: .now())]) { _, result in
                #expect(result == .stored(61))
                continuation.resume()
            }
        }
        await spool.close()
    }

    @Test func deadLettersAreAllThere() async throws {
        let store = SQLiteDeadLetters(path: try copy("letters.sqlite"))
        try await store.open()
        let letters = try await store.letters(limit: 100)
        #expect(letters.map(\.number) == Array(1...40))
        let payloads = letters.map { $0.letter.message.payload.bytes(at: .now()) }
        #expect(Set(payloads) == Set((0..<40).map { Array("no json \($0)\0".utf8) }))
        #expect(
            letters.allSatisfy { $0.letter.stage == "item" && $0.letter.pipeline == "b" && $0.letter.attempts == 0 })
        let digest = try await store.summary()
        #expect(digest.total == 40 && digest.reasons.map(\.count) == [40])
        try await store.remove(40)
        try await store.put(try #require(letters.first?.letter))
        #expect(try await store.letters(after: 39, limit: 10).map(\.number) == [41])
        await store.close()
    }

    @Test func aJournalIsAllThere() async throws {
        let path = try copy("journal.sqlite")
        let journal = ItemJournal(path: path)
        // What ended more than a day ago is forgotten at the opening, so the rows are looked at first.
        let file = DatabaseFile(path: path)
        try await file.open { try $0.execute("UPDATE item SET ends = ends + 1000000000") }
        await file.close()
        try await journal.open()
        let entries = try await journal.entries()
        #expect(entries.count == 30 && entries.allSatisfy { $0.wasCreated && $0.owner == "ArgusArgus" })
        await journal.close()
    }
}
