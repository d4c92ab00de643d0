import Foundation
import TestSupport
import Testing
import Wire

@testable import Spool

@Suite struct ItemJournalTests {
    private let folder: FileFolder
    private var path: String { "\(folder.path)/journal.sqlite" }
    private let later = Timestamp(seconds: Timestamp.now().seconds + 1000)

    init() throws { folder = try FileFolder([:]) }

    private func entry(_ id: String, created: Bool, written: Int64 = 0, ends: Int64 = 0) -> ItemJournal.Entry {
        .init(
            id: id, owner: "o", wasCreated: created, written: Timestamp(seconds: later.seconds + written),
            end: Timestamp(seconds: later.seconds + 500 + ends))
    }

    @Test func whatIsNotedIsThereInAnotherProcessToo() async throws {
        let journal = ItemJournal(path: path)
        try await journal.open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask { try await journal.record(entry("\(1000 + number)", created: number % 2 == 0)) }
            }
            try await group.waitForAll()
        }
        let reader = ItemJournal(path: path)
        try await reader.open()
        let entries = try await reader.entries()
        #expect(entries.map(\.id) == (1000..<1200).map { "\($0)" })
        #expect(entries.filter(\.wasCreated).count == 100)
        try await reader.remove("1000", of: "o")
        try await reader.remove("1001", of: "other")
        #expect(try await journal.entries().count == 199)
        await reader.close()
        await journal.close()
    }

    @Test func whatWasCreatedStaysSoUntilItHasEnded() async throws {
        let journal = ItemJournal(path: path)
        try await journal.open()
        try await journal.record(entry("a", created: true))
        try await journal.record(entry("a", created: false, written: 10, ends: 10))
        try await journal.record(entry("b", created: false))
        try await journal.record(entry("b", created: true, written: 600, ends: 900))
        try await journal.record(entry("c", created: true))
        // It had ended, and then somebody else made it before this gateway wrote it again.
        try await journal.record(entry("c", created: false, written: 600, ends: 900))
        #expect(
            try await journal.entries() == [
                entry("a", created: true, written: 10, ends: 10), entry("b", created: true, written: 600, ends: 900),
                entry("c", created: false, written: 600, ends: 900),
            ])
        await journal.close()
    }

    @Test func whatEndedLongAgoIsForgotten() async throws {
        let journal = ItemJournal(path: path)
        try await journal.open()
        let old = Timestamp(seconds: Timestamp.now().seconds - 90_000)
        try await journal.record(.init(id: "old", owner: "o", wasCreated: true, written: old, end: old))
        try await journal.record(entry("new", created: true))
        await journal.close()
        try await journal.open()
        #expect(try await journal.entries().map(\.id) == ["new"])
        await journal.close()
        await #expect(throws: (any Error).self) { try await journal.record(entry("late", created: true)) }
    }

    @Test func aFileThatCannotBeMadeIsSaid() async throws {
        await #expect {
            try await ItemJournal(path: "/nonexistent/j.sqlite").open()
        } throws: { "\($0)".contains("/nonexistent/j.sqlite") }
    }
}
