import Foundation
import Locking
import TestSupport
import Testing
import Wire

@testable import HTTP

/// How exchanges end before their answer: the time is up, somebody cancels, the client is shut down.
@Suite struct HTTPClientTimeTests {
    private static let late = "no answer in time"
    private static let neverSent = "no connection in time; nothing was sent"

    /// How far an exchange has come when it is ended.
    enum Stage: CaseIterable {
        case lookup, connecting, handshake, waiting, sending, head, body
    }

    /// Brings an exchange to a stage, at which it stays; calls `body` with what starts an exchange, and what says that it is there.
    private func at(
        _ stage: Stage,
        _ body: (ClientTrial, ClientRequest, _ isThere: @escaping @Sendable () -> Bool) async throws -> Void
    ) async throws {
        let reached = Gate()
        let looksForever = Gate()
        defer { looksForever.open() }
        let lookup = NameLookup(workers: BlockingThreadPool(threads: 4)) { _ in
            reached.open()
            looksForever.wait()
            return .failure(NameLookup.Failure(reason: "nobody waits any more"))
        }
        let plain = Stage.handshake != stage
        let server = try RawServer { peer in
            if stage == .handshake {
                _ = peer.more()
                reached.open()
                return peer.waitForClose()
            }
            if stage == .sending {
                _ = peer.head()
                reached.open()
                return looksForever.wait()
            }
            _ = peer.next()
            if stage == .head { peer.send("HTTP/1.1 200 OK\r\nCont") }
            if stage == .body { peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") }
            reached.open()
            peer.waitForClose()
        }
        defer { server.close() }
        let silent = try SilentPort()
        let url =
            switch stage {
            case .lookup: "http://name.invalid/"
            case .connecting: "http://127.0.0.1:\(silent.port)/"
            default: "\(plain ? "http" : "https")://127.0.0.1:\(server.port)/"
            }
        let request = ClientRequest(
            "PUT", try WebURL(url), body: [UInt8](repeating: 0, count: stage == .sending ? 8_000_000 : 1))
        try await ClientTrial.with(.init(connectionsPerHost: 1), lookup: lookup) { trial in
            if stage == .waiting {
                trial.client.execute(request, within: ClientTrial.patience, body: .whole(10)) { _ in }
                try await until { reached.isOpen }
            }
            try await body(trial, request) { stage == .connecting || reached.isOpen }
        }
    }

    @Test(arguments: Stage.allCases) func theTimeHoldsForAllOfIt(stage: Stage) async throws {
        try await at(stage) { trial, request, _ in
            await #expect {
                _ = try await trial.client.execute(request, within: .milliseconds(100))
            } throws: { error in
                // Where the machine stands still, the time may be up before that stage.
                let isEarly = "\(error)" == Self.neverSent
                return switch stage {
                case .lookup, .connecting, .handshake, .waiting: isEarly
                case .sending, .head, .body: isEarly || "\(error)" == Self.late
                }
            }
        }
    }

    @Test(arguments: Stage.allCases) func aTaskThatIsCancelledEndsIt(stage: Stage) async throws {
        try await at(stage) { trial, request, isThere in
            let task = Task { () -> String in
                do {
                    return "\(try await trial.client.execute(request, within: ClientTrial.patience).status)"
                } catch {
                    return "\(error)"
                }
            }
            try await until(isThere)
            task.cancel()
            #expect(await task.value == "the request was cancelled")
        }
    }

    @Test(arguments: Stage.allCases) func shuttingDownEndsIt(stage: Stage) async throws {
        try await at(stage) { trial, request, isThere in
            async let outcome = Self.outcome(trial.client, request)
            try await until(isThere)
            await trial.client.shutDown()
            #expect(await outcome == "the client is shut down")
            #expect(await Self.outcome(trial.client, request) == "the client is shut down")
        }
    }

    private static func outcome(_ client: HTTPClient, _ request: ClientRequest) async -> String {
        do {
            return "\(try await client.execute(request, within: ClientTrial.patience).status)"
        } catch {
            return "\(error)"
        }
    }

    @Test func connectingHasATimeOfItsOwn() async throws {
        let silent = try SilentPort()
        try await ClientTrial.with(.init(connectTimeout: .milliseconds(50))) { trial in
            let request = ClientRequest("GET", try WebURL("http://127.0.0.1:\(silent.port)/"))
            #expect(await Self.outcome(trial.client, request) == Self.neverSent)
        }
        let stalled = try RawServer { $0.waitForClose() }
        defer { stalled.close() }
        try await ClientTrial.with(.init(connectTimeout: .milliseconds(50))) { trial in
            #expect(await trial.ask(stalled, scheme: "https") == Self.neverSent)
            try await until { stalled.openConnections == 0 }
        }
    }

    @Test func slowAnswersAreGivenUpHoweverMuchComes() async throws {
        for (status, outcome) in [(200, Self.late), (422, "422 cut")] {
            try await ClientTrial.with { peer in
                _ = peer.next()
                peer.send("HTTP/1.1 \(status) X\r\nContent-Length: 100000\r\n\r\n")
                // A byte and another, so that something always happens.
                while peer.send("x") { usleep(5000) }
            } _: { trial, server in
                let seen = await trial.ask(server, within: .milliseconds(300), limit: .statusSuffices(1 << 20))
                #expect(seen == outcome || seen == Self.neverSent || seen == Self.late)
                try await until { server.openConnections == 0 }
            }
        }
    }

    @Test func cancellingFreesTheConnectionForTheNext() async throws {
        try await ClientTrial.with(.init(connectionsPerHost: 1)) { peer in
            while let request = peer.next() { if !request.line.contains("/never") { peer.reply() } }
        } _: { trial, server in
            let url = try WebURL("http://127.0.0.1:\(server.port)/never")
            for _ in 0..<5 {
                let told = Protected<[String]>([])
                let stuck = trial.client.execute(
                    ClientRequest("GET", url), within: ClientTrial.patience, body: .whole(10)
                ) { result in told.with { $0.append(ClientTrial.words(result)) } }
                let waiting = (0..<3).map { _ in
                    trial.client.execute(
                        ClientRequest("GET", url), within: ClientTrial.patience, body: .whole(10)
                    ) { result in told.with { $0.append(ClientTrial.words(result)) } }
                }
                async let next = trial.ask(server)
                for exchange in waiting { exchange.cancel() }
                stuck.cancel()
                stuck.cancel()
                #expect(await next == "200 \"ok\"")
                try await until { told.with { $0.count } == 4 }
                #expect(told.with { Set($0) } == ["the request was cancelled"])
            }
        }
    }

    @Test func anExchangeThatIsOverCannotBeCancelled() async throws {
        try await ClientTrial.with { peer in
            while peer.next() != nil { peer.reply() }
        } _: { trial, server in
            let told = Protected<[String]>([])
            let url = try WebURL("http://127.0.0.1:\(server.port)/")
            let exchange = trial.client.execute(
                ClientRequest("GET", url), within: ClientTrial.patience, body: .whole(10)
            ) { result in told.with { $0.append(ClientTrial.words(result)) } }
            try await until { told.with { !$0.isEmpty } }
            exchange.cancel()
            #expect(await trial.ask(server) == "200 \"ok\"")
            #expect(told.with { $0 } == ["200 \"ok\""])
            #expect(server.connections == 1)
        }
    }

    @Test func whoWaitsInLineIsServedInOrder() async throws {
        let gate = Gate()
        let order = Protected<[String]>([])
        try await ClientTrial.with(.init(connectionsPerHost: 1)) { peer in
            while let request = peer.next() {
                gate.wait()
                order.with { $0.append(String(request.line.split(separator: " ")[1])) }
                peer.reply()
            }
        } _: { trial, server in
            let answered = Protected(0)
            for number in 0..<20 {
                let url = try WebURL("http://127.0.0.1:\(server.port)/\(number)")
                trial.client.execute(ClientRequest("GET", url), within: ClientTrial.patience, body: .whole(10)) { _ in
                    answered.with { $0 += 1 }
                }
            }
            gate.open()
            try await until { answered.with { $0 } == 20 }
            #expect(order.with { $0 } == (0..<20).map { "/\($0)" })
            #expect(server.connections == 1)
        }
    }

    /// Exchanges that end in every way at once, again and again: each is told once, and all connections are closed in the end.
    @Test func whateverHappensEachIsToldOnce() async throws {
        let server = try RawServer { peer in
            while peer.next() != nil {
                switch Int.random(in: 0..<6) {
                case 0: return
                case 1:
                    peer.reset()
                    return
                case 2: peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
                case 3: peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                default: peer.reply()
                }
            }
        }
        defer { server.close() }
        let told = Protected<[Int: Int]>([:])
        let trial = try ClientTrial(.init(connectionsPerHost: 3))
        let url = try WebURL("http://127.0.0.1:\(server.port)/")
        let count = 600
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<3 {
                group.addTask {
                    for number in 0..<(count / 3) {
                        let exchange = trial.client.execute(
                            ClientRequest(number % 2 == 0 ? "PUT" : "POST", url, body: [1]),
                            within: .milliseconds(Int.random(in: 1...50)), body: .whole(10)
                        ) { _ in told.with { $0[worker * count + number, default: 0] += 1 } }
                        if number % 7 == 0 { exchange.cancel() }
                        if number % 5 == 0 { try? await Task.sleep(for: .milliseconds(1)) }
                    }
                }
            }
        }
        await trial.client.shutDown()
        try await until { told.with { $0.count } == count }
        #expect(told.with { $0.values.allSatisfy { $0 == 1 } })
        try await until { server.openConnections == 0 }
    }
}
