import HTTP
import TestServers
import TestSupport
import Testing
import Webhooks
import Wire

@testable import PipelineKit
@testable import Stages

@Suite struct TokenTests {
    private static let id = ArgusItem.id(ofURL: "http://a/")

    /// A server that is token endpoint and Argus in one.
    private final class Server: Sendable {
        let issued = Protected(0)
        let seen = Protected<[String]>([])
        let refuses = Protected<Set<String>>([])
        let isBroken = Protected(false)

        func answer(_ request: ServerRequest) -> ServerResponse {
            if request.path == "/token" {
                if isBroken.with({ $0 }) { return .init(status: 500) }
                let isGood =
                    request.body.text
                    == "grant_type=client_credentials&client_id=me&client_secret=hunter%262&scope=a%20b"
                guard isGood else { return .init(status: 400) }
                let number = issued.with {
                    $0 += 1
                    return $0
                }
                return .init(
                    status: 200, contentType: "application/json",
                    body: Array("{\"access_token\":\"t\(number)\",\"expires_in\":300,\"token_type\":\"Bearer\"}".utf8))
            }
            let token = request.header("Authorization") ?? ""
            seen.with { $0.append(token) }
            return .init(status: refuses.with { $0.contains(token) } ? 401 : 200)
        }
    }

    private func message() -> Message {
        let item = ArgusItem(
            id: Self.id, owner: "", data: Array(#"{"a":1}"#.utf8),
            lifetime: ItemLifetime(end: Timestamp(seconds: 1_000_000)))
        return Message(id: "1", payload: item, receivedAt: Timestamp(seconds: 0))
    }

    @Test func tokensAreKeptRenewedAndReplaced() async throws {
        let server = Server()
        let clock = Protected(Timestamp(seconds: 1000))
        try await Loopback.serve({ server.answer($0) }) { base, _ in
            let sink = try StageMaker.make(
                ArgusSink.self,
                "{address: \"\(base)\", timeout: 10m, auth: {token: {url: \"\(base)/token\", clientID: me, clientSecret: \"hunter&2\", scope: \"a b\"}}}",
                now: { clock.with { $0 } })
            try await sink.open()
            // Many at once share one request.
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<10 { group.addTask { #expect(await sink.write([message()]) == [.delivered]) } }
            }
            #expect(server.issued.with { $0 } == 1)
            // Near its end the old one is used while a new one is fetched.
            clock.with { $0 = $0 + .seconds(250) }
            #expect(await sink.write([message()]) == [.delivered])
            for _ in 0..<200 where server.issued.with({ $0 }) < 2 { await Task.yield() }
            clock.with { $0 = $0 + .seconds(60) }
            #expect(await sink.write([message()]) == [.delivered])
            #expect(server.seen.with { $0.last } == "Bearer t2")
            // One that is refused is replaced.
            server.refuses.with { $0 = ["Bearer t2"] }
            #expect(await sink.write([message()]) == [.transient(reason: "Argus refused the token", retryAfter: nil)])
            #expect(await sink.write([message()]) == [.delivered])
            #expect(server.seen.with { $0.last } == "Bearer t3")
            // Without an endpoint there is none, and that may pass.
            server.isBroken.with { $0 = true }
            clock.with { $0 = $0 + .seconds(1000) }
            #expect(
                await sink.write([message()]) == [
                    .transient(reason: "the token endpoint answered 500", retryAfter: nil)
                ])
            await sink.close()
        }
    }
}
