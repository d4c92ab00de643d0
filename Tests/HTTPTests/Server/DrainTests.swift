import HTTP
import TestServers
import TestSupport
import Testing

/// How a listener ends.
@Suite struct DrainTests {
    @Test func whatHasComeIsAnsweredAndNothingElseIsWaitedFor() async throws {
        let held = Held()
        try await Listening.with(held.handler) { served in
            let idle = try Peer(port: served.port)
            let kept = try Peer(port: served.port)
            try await kept.send("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
            try await held.wait(for: 1)
            held.answerAll()
            _ = try await kept.answer()
            let waiting = try Peer(port: served.port)
            try await waiting.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            let two = try Peer(port: served.port)
            try await two.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
            try await held.wait(for: 2)
            await served.listener.stop()
            #expect(try await idle.readToEnd() == "")
            #expect(try await kept.readToEnd() == "")
            held.answerAll()
            let last = try await waiting.answer()
            #expect(last.text == "/1\n")
            #expect(last.header("Connection") == "close")
            #expect(try await waiting.readToEnd() == "")
            #expect(try await two.answer().text == "/2\n")
            try await held.wait(for: 1)
            held.answerAll()
            let third = try await two.answer()
            #expect(third.text == "/3\n")
            #expect(third.header("Connection") == "close")
            #expect(try await two.readToEnd() == "")
            for peer in [idle, kept, waiting, two] { peer.close() }
            try await served.running.value
            #expect(throws: (any Error).self) { try Peer(port: served.port) }
        }
    }

    @Test func aRequestThatCameWhileAnotherWasAnsweredIsAnsweredToo() async throws {
        let held = Held()
        try await Listening.with(held.handler) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            try await held.wait(for: 1)
            // In the socket, not read yet.
            try await peer.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            try await Task.sleep(for: .milliseconds(50))
            await served.listener.stop()
            held.answerAll()
            #expect(try await peer.answer().text == "/1\n")
            try await held.wait(for: 1)
            held.answerAll()
            #expect(try await peer.answer().text == "/2\n")
            #expect(try await peer.readToEnd() == "")
        }
    }

    @Test func halfARequestIsNotWaitedForLong() async throws {
        try await Listening.with(echo) { served in
            let head = try Peer(port: served.port), body = try Peer(port: served.port)
            try await head.send("GET / HTTP/1.1\r\nHo")
            try await body.send("POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(try await body.answer().status == 100)
            try await served.waitForConnections(2)
            await served.listener.stop()
            try await body.send("hi")
            let answer = try await body.answer()
            #expect(answer.text == "POST /b hi\n")
            #expect(try await body.readToEnd() == "")
            let said = try await head.readToEnd()
            #expect(said.hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test func whoeverConnectedBeforeIsServed() async throws {
        // One connection is allowed, so that others wait in the system's queue.
        let held = Held()
        try await Listening.with(held.handler) { served in
            var peers: [Peer] = []
            for number in 0..<50 {
                let peer = try Peer(port: served.port)
                try await peer.send("GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n")
                peers.append(peer)
            }
            await served.listener.stop()
            try await held.wait(for: peers.count)
            held.answerAll()
            for (number, peer) in peers.enumerated() { #expect(try await peer.answer().text == "/\(number)\n") }
        }
    }

    @Test func aListenerMayBeStoppedBeforeItRunsAndWhileItBegins() async throws {
        let listener = HTTPListener(
            address: try #require(ListenAddress("127.0.0.1:0")), limits: HTTPLimits(bodyBytes: 1), logger: .silent,
            handler: echo)
        await listener.stop()
        try await listener.run()
        #expect(listener.port == nil)
        let other = HTTPListener(
            address: try #require(ListenAddress("127.0.0.1:0")), limits: HTTPLimits(bodyBytes: 1), logger: .silent,
            handler: echo)
        try await other.run { await other.stop() }
        let cancelled = HTTPListener(
            address: try #require(ListenAddress("127.0.0.1:0")), limits: HTTPLimits(bodyBytes: 1), logger: .silent,
            handler: echo)
        let task = Task { try await cancelled.run() }
        task.cancel()
        try await task.value
    }

    @Test func portsAreFreeAgainAtOnce() async throws {
        var port = 0
        for _ in 0..<5 {
            try await Listening.with(echo, address: ListenAddress("127.0.0.1:\(port)")) { served in
                port = served.port
                let peer = try Peer(port: port)
                try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await peer.answer().status == 200)
            }
        }
    }
}
