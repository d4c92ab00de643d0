import Foundation
import Locking
import TestSupport
import Testing

@testable import PipelineKit
@testable import Stages

/// The Argus sink's own connections, against servers that do what no well-behaved one would.
@Suite struct ArgusConnectionsTests {
    /// What a server does about a request.
    private enum Action {
        case send(String)
        case sendAndClose(String)
        case close
        case nothing
    }

    /// A server that answers bytes by a script; it knows where a request ends by its Content-Length.
    private final class Server: Sendable {
        let channel: any Channel
        let requests = Protected<[(connection: Int, text: String)]>([])
        var port: Int { channel.localAddress?.port ?? 0 }

        init(_ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> Action) async throws {
            let connections = Protected(0)
            let requests = requests
            channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    let number = connections.with { count in
                        count += 1
                        return count
                    }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            Scripted(connection: number, requests: requests, script: script))
                    }
                }.bind(host: "127.0.0.1", port: 0).get()
        }

        func close() async throws { try await channel.close() }
    }

    private final class Scripted: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let connection: Int
        private let requests: Protected<[(connection: Int, text: String)]>
        private let script: @Sendable (Int, Int) -> Action
        private var received = ""
        private var count = 0

        init(
            connection: Int, requests: Protected<[(connection: Int, text: String)]>,
            script: @escaping @Sendable (Int, Int) -> Action
        ) {
            self.connection = connection
            self.requests = requests
            self.script = script
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += String(buffer: unwrapInboundIn(data))
            while let end = received.range(of: "\r\n\r\n") {
                let head = received[..<end.lowerBound]
                let length = head.components(separatedBy: "Content-Length: ").dropFirst().first.map {
                    Int($0.prefix { $0.isNumber })
                }
                let body = (length ?? 0) ?? 0
                guard received[end.upperBound...].utf8.count >= body else { return }
                requests.with { $0.append((connection, String(received))) }
                received = String(received[end.upperBound...].dropFirst(body))
                count += 1
                act(script(connection, count), context)
            }
        }

        private func act(_ action: Action, _ context: ChannelHandlerContext) {
            switch action {
            case .send(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .sendAndClose(let text):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text))).whenComplete {
                    [channel = context.channel] _ in
                    channel.close(promise: nil)
                }
            case .close: context.close(promise: nil)
            case .nothing: break
            }
        }
    }

    private static let created = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"

    private func withConnections(
        timeout: TimeAmount = .minutes(10),
        _ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> Action,
        _ body: (ArgusConnections, Server) async throws -> Void
    ) async throws {
        let server = try await Server(script)
        let connections = try ArgusConnections(
            stores: ["http://127.0.0.1:\(server.port)/base/api/v1/store/webhooks/"],
            tls: try ClientTLS(Options()), timeout: timeout, connectTimeout: timeout)
        try connections.open()
        let result: Result<Void, any Error>
        do {
            try await body(connections, server)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        connections.close()
        try await server.close()
        try result.get()
    }

    private func put(_ connections: ArgusConnections, _ id: String = "id") async throws -> ArgusConnections.Answer {
        try await connections.execute(
            .PUT, id, at: 0, headers: ["Content-Type": "application/json", "X-Midt-Owner": "me"], body: Array("{}".utf8)
        )
    }

    private func failure(_ connections: ArgusConnections) async -> String {
        do {
            return "answered \(try await put(connections).status)"
        } catch {
            return "\(error)"
        }
    }

    @Test func aRequestIsWhatArgusExpects() async throws {
        try await withConnections({ _, _ in .send(Self.created) }) { (connections, server) async throws in
            #expect(try await put(connections, "abc").status == 201)
            let text = server.requests.with { $0[0].text }
            #expect(text.hasPrefix("PUT /base/api/v1/store/webhooks/abc HTTP/1.1\r\n"))
            let lines = Set(text.components(separatedBy: "\r\n"))
            #expect(
                lines.isSuperset(of: [
                    "Content-Type: application/json", "X-Midt-Owner: me", "Host: 127.0.0.1:\(server.port)",
                    "Content-Length: 2", "{}",
                ]))
        }
    }

    @Test func oneConnectionServesOneRequestAfterTheOther() async throws {
        try await withConnections({ _, _ in .send(Self.created) }) { (connections, server) async throws in
            for _ in 0..<20 { #expect(try await put(connections).status == 201) }
            #expect(server.requests.with { Set($0.map(\.connection)) } == [1])
        }
    }

    @Test func requestsAtOnceHaveConnectionsOfTheirOwn() async throws {
        try await withConnections({ _, _ in .send(Self.created) }) { (connections, server) async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 { group.addTask { _ = try await put(connections, "\(number)") } }
                try await group.waitForAll()
            }
            #expect(server.requests.with { $0.count } == 200)
        }
    }

    @Test func aKeptConnectionThatWasClosedCostsNothing() async throws {
        // Each connection answers one request and is then gone, in all the ways in which it may be.
        for last in [Action.close, .sendAndClose("")] {
            try await withConnections({ _, request in request == 1 ? .send(Self.created) : last }) {
                (connections, server) async throws in
                for _ in 0..<6 { #expect(try await put(connections).status == 201) }
                #expect(server.requests.with { $0.filter { $0.connection == 1 }.count } == 2)
            }
        }
    }

    @Test func aConnectionThatIsSaidToEndIsNotUsedAgain() async throws {
        let ending = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
        try await withConnections({ _, _ in .send(ending) }) { (connections, server) async throws in
            for _ in 0..<3 { #expect(String(buffer: try await put(connections).body) == "ok") }
            #expect(server.requests.with { $0.map(\.connection) } == [1, 2, 3])
        }
    }

    @Test(arguments: [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ]) func answersInEveryFormAreRead(answer: String) async throws {
        try await withConnections({ _, _ in .send(answer) }) { (connections, server) async throws in
            for _ in 0..<3 {
                let answer = try await put(connections)
                #expect(answer.status == 200 && String(buffer: answer.body) == "hello")
            }
            #expect(server.requests.with { Set($0.map(\.connection)) } == [1])
        }
    }

    @Test func anAnswerThatNobodyAskedForEndsTheConnection() async throws {
        // Two answers to one request: the second must never be taken for that to another.
        let twice = Self.created + "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        try await withConnections({ _, _ in .send(twice) }) { (connections, _) async throws in
            for _ in 0..<20 { #expect(try await put(connections).status == 201) }
        }
    }

    @Test func whatIsNoAnswerIsAFailure() async throws {
        for (action, reason) in [
            (Action.close, "closed without an answer"),
            (.sendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), ""),
            (.send("SSH-2.0-OpenSSH\r\n"), ""),
            (
                .send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + String(repeating: "x", count: 2_000_000)),
                "too large"
            ),
            (.send("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 200_000) + "\r\n\r\n"), ""),
        ] {
            try await withConnections({ _, _ in action }) { (connections, _) async throws in
                let seen = await failure(connections)
                #expect(!seen.hasPrefix("answered") && (reason.isEmpty || seen.contains(reason)), "\(seen)")
            }
        }
    }

    @Test func nobodyIsWaitedForLongerThanIsSaid() async throws {
        // Whether the time ends while connecting, before the answer or within it: that depends on the machine, what is said does not.
        for action in [Action.nothing, .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")] {
            try await withConnections(timeout: .milliseconds(200), { _, _ in action }) {
                (connections, _) async throws in
                #expect(await failure(connections) == "no answer in time")
            }
        }
    }

    @Test func closingFailsWhatIsUnderWayAndOpeningStartsAnew() async throws {
        let answers = Protected(false)
        try await withConnections({ _, _ in answers.with { $0 } ? .send(Self.created) : .nothing }) {
            (connections, server) async throws in
            async let waiting = failure(connections)
            while server.requests.with({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(2)) }
            connections.close()
            #expect(await waiting == "the connection was closed without an answer")
            #expect(await failure(connections) == "the sink is closed")
            answers.with { $0 = true }
            try connections.open()
            #expect(try await put(connections).status == 201)
        }
    }

    @Test func whereNobodyListensThatIsSaid() async throws {
        let connections = try ArgusConnections(
            stores: ["http://127.0.0.1:\(try FreePort.find())/", "http://no-such-host.invalid/"],
            tls: try ClientTLS(Options()),
            timeout: .seconds(10))
        try connections.open()
        #expect(await failure(connections) == "no connection: Connection refused")
        await #expect {
            _ = try await connections.execute(.GET, "id", at: 1, headers: [:])
        } throws: { "\($0)" == "no connection: the name no-such-host.invalid has no address" }
        connections.close()
    }
}
