import Foundation
import Telemetry
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Spool

/// A directory that is gone after the test.
final class Scratch: Sendable {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("spool-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    func path(_ name: String = "spool.sqlite") -> String { directory.appendingPathComponent(name).path }

    deinit { try? FileManager.default.removeItem(at: directory) }
}

@Suite struct SQLiteSpoolTests {
    private let scratch: Scratch
    private let clock = Protected(Timestamp(seconds: 1000))

    init() throws { scratch = try Scratch() }

    private func spool(_ change: (inout SQLiteSpool.Settings) -> Void = { _ in }) -> SQLiteSpool {
        var settings = SQLiteSpool.Settings(path: scratch.path())
        change(&settings)
        return SQLiteSpool(
            settings, pipeline: "test", logger: Logger(label: "test") { _ in SilentLogHandler() },
            metrics: SilentMetrics(), now: { clock.with { $0 } })
    }

    private func message(_ id: String, size: Int = 10) -> Message {
        Message(
            id: id, key: "key-\(id)", payload: Bytes([UInt8](repeating: 7, count: size)), topic: "t",
            attributes: ["a\"": "b\n"],
            publishedAt: Timestamp(seconds: 5, nanoseconds: 6), receivedAt: Timestamp(seconds: 7, nanoseconds: 8))
    }

    private func append(_ message: Message, to spool: SQLiteSpool) async -> SpoolResult {
        await append([message], to: spool)[0]
    }

    private func append(_ messages: [Message], to spool: SQLiteSpool) async -> [SpoolResult] {
        let results = Protected<[SpoolResult]>([])
        return await withCheckedContinuation { continuation in
            spool.append(messages) { index, result in
                let all = results.with { results in
                    #expect(index == results.count)
                    results.append(result)
                    return results
                }
                if all.count == messages.count { continuation.resume(returning: all) }
            }
        }
    }

    @Test func whereNoFileCanBeIsSaidBeforeItIsOpened() async throws {
        try await spool().prepare()
        #expect(!FileManager.default.fileExists(atPath: scratch.path()))
        let missing = spool { $0.path = scratch.path("none/spool.sqlite") }
        let error = await #expect(throws: SpoolError.self) { try await missing.prepare() }
        #expect(error?.description.contains("No such file or directory") == true)
    }

    @Test func whatIsStoredIsThereForTheNextProcess() async throws {
        let first = spool()
        #expect(try await first.open() == 0)
        for id in ["a", "b", "c"] { _ = await append(message(id), to: first) }
        first.remove(2)
        await first.close()
        let second = spool()
        #expect(try await second.open() == 3)
        let left = try await second.read(after: 0, limit: 10)
        #expect(left.map(\.message.id) == ["a", "c"])
        let found = try #require(left.first?.message)
        let original = message("a")
        #expect(found.key == original.key && found.topic == original.topic && found.attributes == original.attributes)
        #expect(found.publishedAt == original.publishedAt && found.receivedAt == original.receivedAt)
        #expect(found.payload.bytes(at: found.receivedAt) == original.payload.bytes(at: original.receivedAt))
        // A number is never given twice, even if the newest was taken out.
        second.remove(3)
        await second.close()
        let third = spool()
        #expect(try await third.open() == 3)
        #expect(await append(message("d"), to: third) == .stored(4))
        await third.close()
    }

    @Test func manyAtOnceAreStoredInTheOrderInWhichTheyAreTold() async throws {
        let spool = spool()
        _ = try await spool.open()
        let told = Protected<[Int64]>([])
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<500 {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        spool.append([message("\(index)")]) { _, result in
                            if case .stored(let number) = result { told.with { $0.append(number) } }
                            continuation.resume()
                        }
                    }
                }
            }
        }
        let numbers = told.with { $0 }
        #expect(numbers == Array(1...500))
        #expect(try await spool.read(after: 0, limit: 1000).count == 500)
        await spool.close()
    }

    @Test func aMessageThatComesAgainIsNotStoredAgain() async throws {
        let first = spool()
        _ = try await first.open()
        #expect(await append(message("a"), to: first) == .stored(1))
        #expect(await append(message("a"), to: first) == .duplicate)
        // Also when it has ended, and after a restart while it waits.
        first.remove(1)
        #expect(await append(message("a"), to: first) == .duplicate)
        #expect(await append(message("b"), to: first) == .stored(2))
        await first.close()
        let second = spool()
        _ = try await second.open()
        #expect(await append(message("b"), to: second) == .duplicate)
        // Not for ever.
        clock.with { $0 = $0 + .seconds(901) }
        #expect(await append(message("b"), to: second) == .stored(3))
        await second.close()
    }

    @Test func aFullSpoolSaysSoUntilThereIsRoom() async throws {
        let spool = spool { $0.maxBytes = 1000 }
        _ = try await spool.open()
        #expect(await append(message("a", size: 300), to: spool) == .stored(1))
        #expect(await append(message("b", size: 300), to: spool) == .full)
        // Told so, the sender sends it again.
        spool.remove(1)
        #expect(await append(message("c", size: 10), to: spool) == .stored(2))
        #expect(await append(message("b", size: 300), to: spool) == .stored(3))
        await spool.close()
    }

    @Test func nothingGoesInFrontOfWhatDidNotFit() async throws {
        let spool = spool { $0.maxBytes = 1000 }
        _ = try await spool.open()
        let batch = [("a", 300), ("b", 300), ("a", 300), ("b", 300), ("c", 10)].map { message($0, size: $1) }
        // The second "b" is a duplicate of nothing that is stored.
        #expect(await append(batch, to: spool) == [.stored(1), .full, .duplicate, .full, .full])
        spool.remove(1)
        #expect(await append([batch[1], batch[4]], to: spool) == [.stored(2), .stored(3)])
        await spool.close()
    }

    @Test func whatIsLargerThanTheSpoolIsNotToldToComeAgain() async throws {
        let spool = spool { $0.maxBytes = 1000 }
        _ = try await spool.open()
        guard case .failed(let reason) = await append(message("a", size: 900), to: spool) else {
            Issue.record("it is not said")
            return
        }
        #expect(reason.contains("larger"))
        #expect(await append(message("b", size: 300), to: spool) == .stored(1))
        await spool.close()
    }

    @Test func aFullDiskIsToldAndNothingIsLostOfWhatIsStored() async throws {
        let spool = spool { $0.maxPages = 30 }
        _ = try await spool.open()
        var stored: [String] = []
        var failures = 0
        for index in 0..<40 {
            switch await append(message("\(index)", size: 5000), to: spool) {
            case .stored: stored.append("\(index)")
            case .failed(let reason):
                failures += 1
                #expect(reason.contains("full"))
            default: Issue.record("neither stored nor failed")
            }
        }
        #expect(failures > 0 && !stored.isEmpty)
        #expect(try await spool.read(after: 0, limit: 100).map(\.message.id) == stored)
        // When there is room again, it goes on.
        for number in 1...10 { spool.remove(Int64(number)) }
        #expect(await append(message("later", size: 100), to: spool) != .full)
        guard case .stored = await append(message("later still", size: 100), to: spool) else {
            Issue.record("it does not go on")
            return
        }
        await spool.close()
    }

    @Test(arguments: [
        "this is no database, but it is long enough to be looked at, and more than a header",
        "SQLite format 3\0 and then nonsense",
    ])
    func aCorruptedFileIsSetAsideAndNotDeleted(content: String) async throws {
        try content.write(toFile: scratch.path(), atomically: true, encoding: .utf8)
        let spool = spool()
        #expect(try await spool.open() == 0)
        #expect(await append(message("a"), to: spool) == .stored(1))
        await spool.close()
        let files = try FileManager.default.contentsOfDirectory(atPath: scratch.directory.path)
        let aside = try #require(files.first { $0.contains(".corrupted-") })
        #expect(try String(contentsOfFile: scratch.path(aside), encoding: .utf8) == content)
    }

    @Test func aFileDamagedInTheMiddleIsSetAside() async throws {
        let first = spool()
        _ = try await first.open()
        for index in 0..<200 { _ = await append(message("\(index)", size: 2000), to: first) }
        await first.close()
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: scratch.path()))
        for offset in stride(from: 8192, to: 200_000, by: 4096) {
            try handle.seek(toOffset: UInt64(offset))
            try handle.write(contentsOf: Data(repeating: 0xee, count: 512))
        }
        try handle.close()
        let second = spool()
        #expect(try await second.open() == 0)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.directory.path).contains {
                $0.contains(".corrupted-")
            })
        await second.close()
    }

    @Test func aSecondProcessIsRefused() async throws {
        let first = spool()
        _ = try await first.open()
        let second = spool()
        await #expect(throws: SpoolError.self) { _ = try await second.open() }
        await first.close()
        _ = try await second.open()
        await second.close()
    }

    @Test func textsWithZerosAndEmptyPayloadsComeBackAsTheyWere() async throws {
        let spool = spool()
        _ = try await spool.open()
        let odd = Message(
            id: "a\0b", key: "", payload: Bytes([]), topic: "t\0", attributes: ["\0": "\u{1}é\0"],
            receivedAt: Timestamp(seconds: 7))
        #expect(await append(odd, to: spool) == .stored(1))
        let found = try #require(try await spool.read(after: 0, limit: 1).first?.message)
        #expect(found.id == odd.id && found.key == "" && found.topic == odd.topic && found.attributes == odd.attributes)
        #expect(found.payload.bytes(at: found.receivedAt) == [] && found.publishedAt == nil)
        await spool.close()
    }

    @Test func theLogIsGoneWhenItIsClosed() async throws {
        let spool = spool()
        _ = try await spool.open()
        _ = await append(message("a"), to: spool)
        #expect(FileManager.default.fileExists(atPath: scratch.path() + "-wal"))
        await spool.close()
        #expect(!FileManager.default.fileExists(atPath: scratch.path() + "-wal"))
        #expect(await append(message("b"), to: spool) == .failed("the spool is closed"))
        await #expect(throws: SpoolError.self) { try await spool.read(after: 0, limit: 1) }
    }

    @Test func aFileThatCannotBeWrittenIsSaid() async {
        let spool = spool { $0.path = "/nonexistent/directory/spool.sqlite" }
        await #expect(throws: SpoolError.self) { _ = try await spool.open() }
    }
}

@Suite struct SQLiteDeadLettersTests {
    @Test func lettersAreKeptChangedAndRemoved() async throws {
        let scratch = try Scratch()
        let store = SQLiteDeadLetters(path: scratch.path())
        try await store.open()
        for index in 0..<5 {
            let message = Message(
                id: "\(index)", payload: Bytes(Array("p\(index)".utf8)), attributes: ["x": "y"],
                receivedAt: Timestamp(seconds: 1))
            try await store.put(
                DeadLetter(
                    message: message, pipeline: "p", stage: "s", reason: "r", attempts: 2, first: Timestamp(seconds: 1),
                    last: Timestamp(seconds: 2)))
        }
        try await store.remove(2)
        try await store.updateRefusal(3, stage: "t", reason: "q", attempts: 1, at: Timestamp(seconds: 9))
        // Another process sees it at once.
        let other = SQLiteDeadLetters(path: scratch.path())
        try await other.open()
        let found = try await other.letters(limit: 10)
        #expect(found.map(\.number) == [1, 3, 4, 5])
        #expect(
            found[1].letter.stage == "t" && found[1].letter.attempts == 3
                && found[1].letter.last == Timestamp(seconds: 9))
        #expect(
            found[0].letter.message.payload.bytes(at: .now()).text == "p0"
                && found[0].letter.message.attributes == ["x": "y"])
        #expect(try await other.letters(after: 3, limit: 1).map(\.number) == [4])
        await other.close()
        await store.close()
    }
}
