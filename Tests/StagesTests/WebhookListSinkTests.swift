import Foundation
import HTTP
import Locking
import StageTestKit
import TestServers
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Stages

@Suite struct WebhookListSinkTests {
    private let port: Int
    private let now = Protected(Timestamp(seconds: 1_000_000))

    init() throws { port = try FreePort.find() }

    private func record(_ url: String, ends: Int64) -> String {
        let until = RFC3339.format(RFC3339.DateTime(Timestamp(seconds: 1_000_000 + ends)))
        return
            #"{"config": {"url": "\#(url)", "secret": "hush"}, "events": ["e"], "duration": 300000000000, "until": "\#(until)"}"#
    }

    private func message(_ key: String, _ body: String, _ attributes: [String: String] = [:]) -> Message {
        Message(
            id: key, key: key, payload: Bytes(Array(body.utf8)), attributes: attributes, receivedAt: now.with { $0 })
    }

    private func withSink(
        _ options: String = "", _ body: (WebhookListSink) async throws -> Void
    ) async throws {
        let sink = try StageMaker.make(
            WebhookListSink.self, "{listen: \"127.0.0.1:\(port)\", path: /api/v2/hooks\(options)}",
            now: { [now] in now.with { $0 } })
        try await sink.open()
        let result: Result<Void, any Error>
        do {
            try await body(sink)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await sink.close()
        try result.get()
    }

    private func list(
        method: String = "GET", _ path: String = "/api/v2/hooks", authorization: String? = nil
    ) async throws -> (status: Int, body: String) {
        var headers = HeaderFields()
        headers["Authorization"] = authorization
        let response = try await HTTPClient.once(method, "http://127.0.0.1:\(port)\(path)", headers: headers)
        return (response.status, String(decoding: response.body, as: UTF8.self))
    }

    private func urls() async throws -> [String] {
        try await list().body.matches(of: #/"url":"([^"]*)"/#).map { String($0.output.1) }
    }

    @Test func recordsComeAndGoAndEnd() async throws {
        try await withSink { (sink) async throws in
            #expect(try await list().body == "[]")
            let outcomes = await sink.write([
                message("b", record("b", ends: 10)), message("a", record("a", ends: 20)),
                message("gone", record("gone", ends: -1)), message("bad", "{}"),
            ])
            #expect(outcomes.prefix(3).allSatisfy { $0 == .delivered })
            #expect(outcomes[3] == .permanent(reason: "config.url is missing or empty"))
            #expect(try await urls() == ["a", "b"])
            _ = await sink.write([message("b", record("b", ends: 30))])
            now.with { $0 = Timestamp(seconds: 1_000_020) }
            #expect(try await urls() == ["b"], "a has ended, b was renewed")
            _ = await sink.write([message("b", "null", ["argus.change": "removed"])])
            #expect(try await urls() == [])
        }
    }

    @Test func whatArgusSaysOfTheRestOfTheLifeCountsBeforeUntil() async throws {
        try await withSink { (sink) async throws in
            _ = await sink.write([message("a", record("a", ends: 5), ["argus.ttl": "100"])])
            now.with { $0 = Timestamp(seconds: 1_000_099) }
            #expect(try await urls() == ["a"])
            now.with { $0 = Timestamp(seconds: 1_000_100) }
            #expect(try await urls() == [])
        }
    }

    @Test func secretsAreShownOnlyWhereThatIsAskedFor() async throws {
        try await withSink { (sink) async throws in
            _ = await sink.write([message("a", record("a", ends: 10))])
            #expect(try await list().body.contains(#""secret":"<obfuscated>""#))
        }
        try await withSink(", hideSecrets: false") { (sink) async throws in
            _ = await sink.write([message("a", record("a", ends: 10))])
            #expect(try await list().body.contains(#""secret":"hush""#))
        }
    }

    @Test func onlyGETWithTheRightUserAtThePathIsAnswered() async throws {
        try await withSink(", basic: \"user:pass\"") { (sink) async throws in
            #expect(try await list().status == 401)
            #expect(try await list(authorization: "Basic dXNlcjpwYXNz").status == 200)
            #expect(try await list(method: "PUT", authorization: "Basic dXNlcjpwYXNz").status == 405)
            #expect(try await list("/api/v2/hooks/1", authorization: "Basic dXNlcjpwYXNz").status == 404)
        }
    }

    @Test(arguments: ["Upper", "1st", "", "a-b"]) func aMetricHasAName(name: String) {
        #expect(throws: (any Error).self) {
            try StageMaker.make(WebhookListSink.self, "{listen: \":0\", metric: \"\(name)\"}")
        }
    }

    @Test func conforms() async throws {
        let suite = SinkConformance(
            WebhookListSink.self, options: "{listen: \"127.0.0.1:\(port)\"}",
            payload: { Bytes(Array(#"{"config":{"url":"u\#($0)"},"events":["e"]}"#.utf8)) })
        let found = await suite.check()
        #expect(found == [])
    }
}
