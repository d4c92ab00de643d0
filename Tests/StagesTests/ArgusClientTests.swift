import HTTP
import TestSupport
import Testing
import Webhooks
import Wire

@testable import PipelineKit
@testable import Stages

/// How Argus is spoken to, with servers that do what no well-behaved one would.
@Suite struct ArgusClientTests {
    private static let created = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"

    private func client(
        _ addresses: [String], _ more: String = "", timeout: Duration = .seconds(600), connections: Int = 8
    ) throws -> ArgusClient {
        let list = addresses.map { "\"\($0)\"" }.joined(separator: ", ")
        let options = try StageMaker.options(ArgusSink.self, "{address: [\(list)]\(more)}")
        return try ArgusClient(
            try ArgusBucket(options, timeout: timeout, now: { .now() }), connections: connections)
    }

    private func withClient(
        timeout: Duration = .seconds(600), connections: Int = 8,
        _ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> ScriptedServer.Action,
        _ body: (ArgusClient, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try ScriptedServer(script)
        let client = try client(["http://127.0.0.1:\(server.port)/base"], timeout: timeout, connections: connections)
        let result: Result<Void, any Error>
        do {
            try await body(client, server)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await client.shutDown()
        server.close()
        try result.get()
    }

    private func put(_ client: ArgusClient, _ id: String = "id") async throws -> ClientResponse {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<ClientResponse, any Error>, Never>) in
            client.fields(of: "me") { fields in
                do {
                    client.put(id, Array("{}".utf8), try fields.get(), at: client.address) { answer in
                        continuation.resume(returning: answer.mapError { $0 })
                    }
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    private func failure(_ client: ArgusClient, at address: Int = 0) async -> String {
        let result = await withCheckedContinuation { continuation in
            client.get("id", [:], at: address) { continuation.resume(returning: $0) }
        }
        switch result {
        case .success(let response): return "answered \(response.status)"
        case .failure(let error): return "\(error)"
        }
    }

    @Test func aRequestIsWhatArgusExpects() async throws {
        try await withClient({ _, _ in .send(Self.created) }) { (client, server) async throws in
            #expect(try await put(client, "abc").status == 201)
            let text = server.requests[0].text
            #expect(text.hasPrefix("PUT /base/api/v1/store/webhooks/abc HTTP/1.1\r\n"))
            let lines = Set(text.split(separator: "\r\n").map(String.init))
            #expect(
                lines.isSuperset(of: [
                    "Content-Type: application/json", "X-Midt-Owner: me", "X-Xmidt-Owner: me",
                    "Host: 127.0.0.1:\(server.port)", "Content-Length: 2", "{}",
                ]))
        }
    }

    @Test func oneConnectionServesOneRequestAfterTheOther() async throws {
        try await withClient({ _, _ in .send(Self.created) }) { (client, server) async throws in
            for _ in 0..<20 { #expect(try await put(client).status == 201) }
            // On a machine that stands still a connection may get too old between two requests.
            #expect(server.connections < 10)
        }
    }

    @Test func requestsAtOnceShareTheConnectionsThatThereMayBe() async throws {
        try await withClient(connections: 4, { _, _ in .send(Self.created) }) { (client, server) async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 { group.addTask { _ = try await put(client, "\(number)") } }
                try await group.waitForAll()
            }
            #expect(server.requests.count == 200)
            #expect((1...4).contains(server.connections))
        }
    }

    @Test func aKeptConnectionThatWasClosedCostsNothing() async throws {
        // Each connection answers one request and is then gone, in all the ways in which it may be.
        for last in [ScriptedServer.Action.close, .sendAndClose(""), .reset] {
            try await withClient({ _, request in request == 1 ? .send(Self.created) : last }) {
                (client, server) async throws in
                for _ in 0..<6 { #expect(try await put(client).status == 201) }
                // On a machine that stands still a connection may get too old between two requests.
                #expect((1...2).contains(server.requests.filter { $0.connection == 1 }.count))
            }
        }
    }

    @Test func aConnectionThatIsSaidToEndIsNotUsedAgain() async throws {
        let ending = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
        try await withClient({ _, _ in .send(ending) }) { (client, server) async throws in
            for _ in 0..<3 { #expect(try await put(client).body.text == "ok") }
            #expect(server.requests.map(\.connection) == [1, 2, 3])
        }
    }

    @Test(arguments: [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ]) func answersInEveryFormAreRead(answer: String) async throws {
        try await withClient({ _, _ in .send(answer) }) { (client, server) async throws in
            for _ in 0..<6 {
                let answer = try await put(client)
                #expect(answer.status == 200 && answer.body.text == "hello")
            }
            #expect(server.connections < 6)
        }
    }

    @Test func anAnswerThatNobodyAskedForEndsTheConnection() async throws {
        // Two answers to one request: the second must never be taken for that to another.
        let twice = Self.created + "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        try await withClient({ _, _ in .send(twice) }) { (client, _) async throws in
            for _ in 0..<20 { #expect(try await put(client).status == 201) }
        }
    }

    @Test func whatIsNoAnswerIsAFailure() async throws {
        for (action, reason) in [
            (ScriptedServer.Action.close, "closed without an answer"),
            (.sendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "closed within an answer"),
            (.send("SSH-2.0-OpenSSH\r\n"), "not HTTP/1.1"),
            (
                .send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + String(repeating: "x", count: 2_000_000)),
                "too large"
            ),
            (.send("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 200_000) + "\r\n\r\n"), "too large"),
        ] {
            try await withClient({ _, _ in action }) { (client, _) async throws in
                let seen = await failure(client)
                #expect(!seen.hasPrefix("answered") && seen.contains(reason), "\(seen)")
            }
        }
    }

    @Test func aStatusIsNotLostBecauseThereIsALongBodyBehindIt() async throws {
        let long = "HTTP/1.1 201 Created\r\nContent-Length: 2000000\r\n\r\n" + String(repeating: "x", count: 2_000_000)
        try await withClient({ _, _ in .send(long) }) { (client, server) async throws in
            for _ in 0..<2 { #expect(try await put(client).status == 201) }
            #expect(server.requests.map(\.connection) == [1, 2])
        }
    }

    @Test func nobodyIsWaitedForLongerThanIsSaid() async throws {
        // Whether the time ends while connecting, before the answer or within it: that depends on the machine.
        for action in [ScriptedServer.Action.nothing, .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")] {
            try await withClient(timeout: .milliseconds(200), { _, _ in action }) { (client, _) async throws in
                let seen = await failure(client)
                #expect(seen == "no answer in time" || seen == "no connection in time; nothing was sent")
            }
        }
    }

    @Test func closingFailsWhatIsUnderWayAndOpeningStartsAnew() async throws {
        let answers = Protected(false)
        let server = try ScriptedServer { _, _ in answers.with { $0 } ? .send(Self.created) : .nothing }
        let sink = try StageMaker.make(ArgusSink.self, "{address: \"http://127.0.0.1:\(server.port)\", timeout: 10m}")
        let item = ArgusItem(
            id: ArgusItem.id(ofURL: "http://a/"), owner: "", data: Array("{}".utf8),
            lifetime: ItemLifetime(end: .now() + .seconds(3600)))
        let message = Message(id: "1", payload: item, receivedAt: .now())
        let closed = WriteOutcome.transient(reason: "the sink is closed", retryAfter: nil)
        try await sink.open()
        async let waiting = sink.write([message])
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        await sink.close()
        #expect(await waiting == [closed])
        #expect(await sink.write([message]) == [closed])
        answers.with { $0 = true }
        try await sink.open()
        #expect(await sink.write([message]) == [.delivered])
        await sink.close()
        server.close()
    }

    @Test func whereNobodyListensThatIsSaid() async throws {
        let client = try client(["http://127.0.0.1:\(try FreePort.find())", "http://no-such-host.invalid"])
        #expect(await failure(client) == "no connection: Connection refused")
        #expect(await failure(client, at: 1).hasPrefix("no connection: the name no-such-host.invalid has no address"))
        await client.shutDown()
    }
}
