@testable import ArgusStore
import Foundation
import HTTP
import TestSupport
import Testing
import Wire

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

    @Test func aFileThatIsNoStoreIsRefused() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("no-\(UUID().uuidString).sqlite").path
        try Data("this is no database, only some text that is long enough to be looked at".utf8).write(
            to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: (any Error).self) { try ItemStore(path: path) }
    }
}

@Suite struct ArgusServiceTests {
    private static let id = String(repeating: "a", count: 64)

    private func put(_ body: String, settings: ArgusService.Settings) async throws -> HTTPServiceResponse {
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

    @Test func theLongestTTLHolds() async throws {
        let store = try ItemStore()
        let now = Timestamp(seconds: 5000)
        let service = ArgusService(store: store, settings: try .init(longestTTL: 60), now: { now })
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
