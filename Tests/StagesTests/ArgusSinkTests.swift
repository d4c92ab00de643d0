import HTTP
import TestServers
import TestSupport
import Testing
import Webhooks
import Wire

@testable import PipelineKit
@testable import Stages

@Suite struct ArgusSinkTests {
    private static let clock = Timestamp(seconds: 1000)
    private static let id = ArgusItem.id(ofURL: "http://a/")

    private func message(owner: String = "", id: String = id, ttl: Int64 = 60) -> Message {
        let item = ArgusItem(
            id: id, owner: owner, data: Array(#"{"a":1}"#.utf8), lifetime: ItemLifetime(end: Self.clock + .seconds(ttl))
        )
        return Message(id: "1", payload: item, receivedAt: Self.clock)
    }

    /// A sink that waits for an answer as long as a busy machine may need.
    private func sink(_ address: String, _ more: String = "", timeout: String = "10m") throws -> ArgusSink {
        try StageMaker.make(
            ArgusSink.self, "{address: \(address), timeout: \(timeout)\(more)}", now: { Self.clock })
    }

    /// One write to a server that answers as told; what it was asked.
    private func write(
        _ message: Message, options: String = "", answer: ServerResponse
    ) async throws -> (WriteOutcome, [ServerRequest]) {
        let asked = Protected<[ServerRequest]>([])
        let outcome = Protected<WriteOutcome?>(nil)
        try await Loopback.serve({ request in
            asked.with { $0.append(request) }
            return answer
        }) { base, _ in
            let sink = try sink(base, options)
            try await sink.open()
            let written = await sink.write([message])
            outcome.with { $0 = written.first }
            await sink.close()
        }
        return (try #require(outcome.with { $0 }), asked.with { $0 })
    }

    @Test func putsTheItem() async throws {
        let (outcome, asked) = try await write(
            message(owner: "somebody"), options: ", auth: {basic: \"user:pass\"}", answer: .init(status: 201))
        #expect(outcome == .delivered)
        let request = try #require(asked.first)
        #expect(request.method == "PUT" && request.path == "/api/v1/store/webhooks/\(Self.id)")
        #expect(request.header("Authorization") == "Basic dXNlcjpwYXNz")
        #expect(request.header("X-Midt-Owner") == "somebody" && request.header("X-Xmidt-Owner") == "somebody")
        #expect(
            try JSONValue(parsing: request.body)
                == .object(["id": .string(Self.id), "data": .object(["a": .integer(1)]), "ttl": .integer(60)]))
    }

    @Test func anItemOfNobodyHasNoOwnerHeader() async throws {
        let (_, asked) = try await write(message(), answer: .init(status: 200))
        #expect(asked.first?.header("X-Midt-Owner") == nil)
    }

    @Test(arguments: [408, 425, 429, 500, 502, 503, 504]) func triesAgainLater(status: Int) async throws {
        let (outcome, _) = try await write(message(), answer: .init(status: status, headers: ["Retry-After": "7"]))
        #expect(outcome == .transient(reason: "Argus answered \(status)", retryAfter: .seconds(7)))
    }

    @Test(arguments: [302, 400, 401, 403, 404, 413]) func givesUp(status: Int) async throws {
        let (outcome, asked) = try await write(
            message(),
            answer: .init(
                status: status, headers: ["X-Midt-Error": "Invalid bucket format.", "Location": "http://127.0.0.1:1/"]))
        #expect(outcome == .permanent(reason: "Argus answered \(status): Invalid bucket format."))
        #expect(asked.count == 1)
    }

    @Test func whatHasEndedIsNotSent() async throws {
        let (outcome, asked) = try await write(message(ttl: 0), answer: .init(status: 200))
        #expect(outcome == .expired)
        #expect(asked.isEmpty)
    }

    @Test(arguments: ["", "../../admin", String(repeating: "A", count: 64), String(repeating: "a", count: 63)])
    func anIdThatIsNoneIsNotSent(id: String) async throws {
        let (outcome, asked) = try await write(message(id: id), answer: .init(status: 200))
        guard case .permanent = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(asked.isEmpty)
    }

    @Test(arguments: [
        (200, 500, WriteOutcome.superseded, 1), (200, 61, .delivered, 2), (200, 5, .delivered, 2),
        (404, 0, .delivered, 2),
        (403, 0, .permanent(reason: "Argus answered 403"), 1),
        (503, 0, .transient(reason: "Argus answered 503", retryAfter: nil), 1),
    ])
    func leavesAloneWhatEndsLater(status: Int, ttl: Int, expected: WriteOutcome, requests: Int) async throws {
        let asked = Protected<[String]>([])
        try await Loopback.serve({ request in
            asked.with { $0.append(request.method) }
            guard request.method == "GET" else { return .init(status: 200) }
            let item = "{\"id\":\"\(Self.id)\",\"data\":{\"ttl\":9},\"ttl\":\(ttl)}"
            return .init(status: status, contentType: "application/json", body: status == 200 ? Array(item.utf8) : [])
        }) { base, _ in
            let sink = try sink(base, ", conflict: newest")
            try await sink.open()
            #expect(await sink.write([message()]) == [expected])
            await sink.close()
        }
        #expect(asked.with { $0.count } == requests)
    }

    @Test func ofSeveralAddressesTheNextIsUsed() async throws {
        try await Loopback.serve({ _ in .init(status: 200) }) { base, _ in
            // Nothing listens on port 9 of the loopback.
            let sink = try sink("[\"http://127.0.0.1:9\", \"\(base)\"]")
            try await sink.open()
            let first = await sink.write([message()])
            guard case .transient = first[0] else {
                Issue.record("\(first)")
                return
            }
            #expect(await sink.write([message()]) == [.delivered])
            #expect(await sink.write([message()]) == [.delivered])
            await sink.close()
        }
    }

    @Test func aServerThatSaysNothingIsGivenUp() async throws {
        let given = AsyncStream.makeStream(of: Void.self)
        try await Loopback.serve({ _ in
            for await _ in given.stream {}
            return .init(status: 200)
        }) { base, _ in
            defer { given.continuation.finish() }
            let sink = try sink(base, timeout: "100ms")
            try await sink.open()
            let outcome = await sink.write([message()])
            guard case .transient = outcome[0] else {
                Issue.record("\(outcome)")
                return
            }
            await sink.close()
        }
    }

    @Test(arguments: [
        ("user:pass", true), ("Basic dXNlcjpwYXNz", true), ("dXNlcjpwYXNz", true), ("nonsense", false),
        ("Basic !!!", false),
    ])
    func takesCredentialsInEveryUsualForm(basic: String, isGood: Bool) {
        let made = try? StageMaker.make(ArgusSink.self, "{address: \"http://a\", auth: {basic: \"\(basic)\"}}")
        #expect((made != nil) == isGood)
    }

    @Test(arguments: [
        "{address: \"a:1\"}", "{address: \"http://a/?x=1\"}", "{address: \"http://u:p@a/\"}", "{address: []}",
        "{address: \"http://a\", bucket: UP}",
        "{address: \"http://a\", bucket: \"a/b\"}", "{address: \"http://a\", ownerHeaders: [\"X: 1\"]}",
        "{address: \"http://a\", auth: {bearer: \"x\\ny\"}}",
        "{address: \"http://a\", auth: {bearer: x, basic: \"a:b\"}}",
        "{address: \"http://a\", tls: {certificate: c.pem}}",
    ])
    func refusesOptionsThatCannotWork(options: String) {
        #expect(throws: OptionError.self) { try StageMaker.make(ArgusSink.self, options) }
    }
}
