import Foundation
import HTTP
import Patterns
import TestSupport
import Testing
import Wire

@testable import ArgusStore

@Suite struct ItemStoreTests {
    private let now = Timestamp(seconds: 1000)

    private func item(_ owner: String = "", ttl: Int64 = 100, data: String = #"{"a":1}"#) -> StoredItem {
        StoredItem(owner: owner, data: Array(data.utf8), end: now + .seconds(ttl))
    }

    @Test func anItemThatHasEndedIsNotThere() async throws {
        let store = try ItemStore()
        #expect(try await store.put("b", "x", item("one", ttl: 5), now: now) == .created)
        #expect(try await store.put("b", "x", item("two"), now: now) == .forbidden)
        let later = now + .seconds(5)
        #expect(store.get("b", "x", owner: "one", now: later) == .absent)
        #expect(store.list("b", owner: "one", now: later).isEmpty)
        #expect(try await store.put("b", "x", item("two"), now: later) == .created)
        #expect(try await store.put("b", "y", item("two", ttl: -1), now: later) == .created)
        #expect(store.list("b", owner: "two", now: later).map(\.id) == ["x"])
    }

    @Test func itemsAreListedByIdAndOwner() async throws {
        let store = try ItemStore()
        for (id, owner) in [("c", "one"), ("a", "one"), ("b", "two")] {
            _ = try await store.put("b", id, item(owner), now: now)
        }
        #expect(store.list("b", owner: "one", now: now).map(\.id) == ["a", "c"])
        #expect(try await store.delete("b", "a", owner: "two", now: now) == .forbidden)
        #expect(try await store.delete("b", "a", owner: "one", now: now) == .found(item("one")))
        #expect(try await store.delete("b", "a", owner: "one", now: now) == .absent)
        store.sweep(now: now + .seconds(1000))
        #expect(store.list("b", owner: "one", now: now).isEmpty)
    }

    @Test func whatWasAnsweredIsInTheFileInItsLastState() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("items-\(UUID().uuidString).sqlite")
            .path
        defer { for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) } }
        let store = try ItemStore(path: path, now: now)
        let now = now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<200 {
                group.addTask {
                    let first = StoredItem(owner: "o", data: Array("{\"n\":\(index)}".utf8), end: now + .seconds(100))
                    _ = try await store.put("b", "\(index % 20)", first, now: now)
                }
            }
            try await group.waitForAll()
        }
        _ = try await store.put("b", "gone", item("o"), now: now)
        _ = try await store.delete("b", "gone", owner: "o", now: now)
        _ = try await store.put("b", "ended", item("o", ttl: 1), now: now)
        // What the store answers from memory and what the file holds has to be the same, item by item.
        let again = try ItemStore(path: path, now: now)
        let expected = store.list("b", owner: "o", now: now + .seconds(2))
        let found = again.list("b", owner: "o", now: now + .seconds(2))
        #expect(expected.count == 20)
        #expect(found.map(\.id) == expected.map(\.id))
        #expect(found.map(\.item) == expected.map(\.item))
    }

    /// A file that the program wrote when it stood on GRDB.
    @Test func aFormerFileIsRead() throws {
        let folder = try FileFolder()
        let path = "\(folder.path)/argus.sqlite"
        try FileManager.default.copyItem(
            at: Fixtures.directory.appendingPathComponent("databases/argus.sqlite"), to: URL(fileURLWithPath: path))
        let then = Timestamp(seconds: 1_795_872_414)
        let items = try ItemStore(path: path, now: then).list("webhooks", owner: "ArgusArgus", now: then)
        #expect(items.count == 30)
        let item = try #require(items.first { $0.id.hasPrefix("001c268f") }).item
        #expect(item.end == Timestamp(seconds: 1_795_876_013))
        #expect(
            try JSONValue(parsing: item.data)["Webhook"]?["config"]?["url"]
                == .string("http://generated.example/hook/4"))
    }

    @Test func textsAndBytesOfEveryKindAreInTheFile() async throws {
        let folder = try FileFolder()
        let path = "\(folder.path)/items.sqlite"
        let odd = StoredItem(owner: "o\0é", data: [], end: now + .seconds(100))
        let store = try ItemStore(path: path, now: now)
        #expect(try await store.put("b\0", "x\0y", odd, now: now) == .created)
        #expect(try await store.put("b\0", "x", odd, now: now) == .created)
        let again = try ItemStore(path: path, now: now)
        #expect(again.list("b\0", owner: odd.owner, now: now).map(\.id) == ["x", "x\0y"])
        #expect(again.get("b\0", "x\0y", owner: odd.owner, now: now) == .found(odd))
    }

    @Test func theFileIsClosedWithTheStore() async throws {
        let folder = try FileFolder()
        let path = "\(folder.path)/items.sqlite"
        do {
            let store = try ItemStore(path: path, now: now)
            _ = try await store.put("b", "x", item(), now: now)
            #expect(FileManager.default.fileExists(atPath: path + "-wal"))
            store.sweep(now: now)
        }
        // What is on the queue yet holds the file for a moment longer.
        for _ in 0..<6000 where FileManager.default.fileExists(atPath: path + "-wal") {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
    }

    @Test func aFileThatIsNoStoreIsRefused() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("no-\(UUID().uuidString).sqlite").path
        try Data("this is no database, only some text that is long enough to be looked at".utf8).write(
            to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect {
            try ItemStore(path: path)
        } throws: {
            "\($0)" == "SQLite error 26: file is not a database - while executing `PRAGMA journal_mode = WAL`"
        }
    }
}

@Suite struct ArgusServiceTests {
    private static let id = String(repeating: "a", count: 64)

    private func put(_ body: String, settings: ArgusService.Settings) async throws -> ServerResponse {
        let service = ArgusService(store: try ItemStore(), settings: settings)
        return await service.answer(
            .init(
                method: "PUT", path: "/api/v1/store/webhooks/\(Self.id)", query: nil, headers: [:],
                body: Array(body.utf8)))
    }

    @Test(arguments: [
        (#"{"id":"ID","data":{"a":1},"ttl":"5"}"#, 400), (#"{"id":"ID","data":{"a":1},"ttl":1.5}"#, 400),
        (#"{"id":5,"data":{"a":1}}"#, 400), (#"{"id":"ID","data":{"a":1}} x"#, 400),
        (#"{"ID":"ID","Data":{"a":1},"TTL":null}"#, 201),
        (#"{"id":"ID","data":{"a":1},"ttl":-5}"#, 201), (#"{"id":"ID","data":{"a":[]},"ttl":99999999}"#, 201),
        ("[]", 400),
    ])
    func readsABodyAsGoDoes(body: String, status: Int) async throws {
        let body = body.replacingOccurrences(of: "\"ID\":\"ID\"", with: "\"ID\":\"\(Self.id)\"")
            .replacingOccurrences(of: "\"id\":\"ID\"", with: "\"id\":\"\(Self.id)\"")
        #expect(try await put(body, settings: try .init()).status == status)
    }

    @Test func aPatternThatIsNoneIsRefused() {
        #expect(throws: PatternError(reason: "missing ): (a")) { try ArgusService.Settings(ownerPattern: "(a") }
    }

    @Test func ownersAreLookedAtWithThePattern() async throws {
        let service = ArgusService(
            store: try ItemStore(), settings: try .init(ownerPattern: "^(tenant-[0-9]+|.*@example\\.net)$"))
        for (owner, status) in [
            ("tenant-17", 200), ("tenant-", 400), ("a@example.net", 200), ("a@examplexnet", 400), ("", 200),
            ("tenant-1 ", 400), ("xtenant-1", 400),
        ] {
            let response = await service.answer(
                .init(method: "GET", path: "/api/v1/store/webhooks", headers: ["X-Midt-Owner": owner]))
            #expect(response.status == status, "\(owner)")
        }
    }

    @Test func whoIsNotLetInIsToldHow() async throws {
        let service = ArgusService(store: try ItemStore(), settings: try .init(auth: "user:pass"))
        for given in [nil, "", "Basic", "Basic dXNlcjpwYXN", "Basic dXNlcjpwYXNzz"] as [String?] {
            var headers = HeaderFields()
            if let given { headers.add("Authorization", given) }
            let response = await service.answer(.init(method: "GET", path: "/api/v1/store/webhooks", headers: headers))
            #expect(response.status == 401 && response.headers["WWW-Authenticate"] == "Basic realm=\"argus\"")
        }
        let headers: HeaderFields = ["Authorization": "Basic dXNlcjpwYXNz"]
        #expect(
            await service.answer(.init(method: "GET", path: "/api/v1/store/webhooks", headers: headers)).status == 200)
        let wrong = await service.answer(.init(method: "POST", path: "/api/v1/store/webhooks"))
        #expect(wrong.status == 405 && wrong.headers["Allow"] == "GET")
        let item = await service.answer(.init(method: "PATCH", path: "/api/v1/store/webhooks/\(Self.id)"))
        #expect(item.status == 405 && item.headers["Allow"] == "GET, PUT, DELETE")
    }

    @Test func anAnswerThatNeedsNoDiskIsGivenAtOnce() async throws {
        let service = ArgusService(store: try ItemStore(), settings: try .init())
        let answers = Protected<[Int]>([])
        let body = Array("{\"id\":\"\(Self.id)\",\"data\":{\"a\":1}}".utf8)
        for method in ["GET", "PUT", "GET", "DELETE"] {
            let request = ServerRequest(method: method, path: "/api/v1/store/webhooks/\(Self.id)", body: body)
            service.answer(request, Responder { answer in answers.with { $0.append(answer.status) } })
        }
        #expect(answers.with { $0 } == [404, 201, 200, 200])
    }

    @Test func theLongestTTLHolds() async throws {
        let store = try ItemStore()
        let now = Timestamp(seconds: 5000)
        let service = ArgusService(store: store, settings: try .init(maximumTTL: 60), now: { now })
        for (id, ttl) in [("a", ",\"ttl\":100"), ("b", ""), ("c", ",\"ttl\":7")] {
            let full = String(repeating: id, count: 64)
            _ = await service.answer(
                .init(
                    method: "PUT", path: "/api/v1/store/webhooks/\(full)", query: nil, headers: [:],
                    body: Array("{\"id\":\"\(full)\",\"data\":{\"a\":1}\(ttl)}".utf8)))
        }
        let ends = store.list("webhooks", owner: "", now: now).map { ($0.item.end - now).components.seconds }
        #expect(ends == [60, 60, 7])
    }

    @Test func aDeeplyNestedBodyIsNoDanger() async throws {
        let deep = String(repeating: "{\"a\":", count: 9000) + "1" + String(repeating: "}", count: 9000)
        let response = try await put("{\"id\":\"\(Self.id)\",\"data\":\(deep)}", settings: try .init())
        #expect(response.headers["X-Midt-Error"] == "Depth of item data JSON is too large.")
    }
}
