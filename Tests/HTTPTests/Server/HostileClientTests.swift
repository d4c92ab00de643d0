import HTTP
import TestSupport
import Testing

/// What hostile, slow and broken clients may do to a listener, over real sockets.
@Suite struct HostileClientTests {
    @Test func aBodyThatIsTooLargeIsRefusedWhateverItSaysOfItself() async throws {
        try await Listening.with(echo) { served in
            let declared = try Peer(port: served.port)
            try await declared.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")
            let answer = try await declared.answer()
            #expect(answer.status == 413)
            #expect(answer.text == "the body is larger than 1000 bytes\n")
            #expect(answer.header("Connection") == "close")
            // While it still comes, chunk by chunk.
            let chunked = try Peer(port: served.port)
            try await chunked.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<5 { try await chunked.send("100\r\n\(String(repeating: "x", count: 256))\r\n") }
            #expect(try await chunked.answer().status == 413)
        }
    }

    @Test func aRefusalReachesWhoFirstSendsEverything() async throws {
        try await Listening.with(echo, limits: { $0.linger = .seconds(600) }) { served in
            for isChunked in [false, true] {
                let peer = try Peer(port: served.port)
                let size = 4 << 20
                try await peer.send(
                    "POST / HTTP/1.1\r\nHost: a\r\n"
                        + (isChunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(size)\r\n\r\n"))
                let piece = [UInt8](repeating: 120, count: 16384)
                for _ in 0..<size / piece.count {
                    try await peer.send(isChunked ? Array("4000\r\n".utf8) + piece + [13, 10] : piece)
                }
                #expect(try await peer.answer().status == 413)
            }
        }
    }

    @Test func whoSendsForEverIsLeftAlone() async throws {
        try await Listening.with(echo) { served in
            for start in [
                "", "POST /", "POST / HTTP/1.1\r\nX-", "POST / HTTP/1.1\r\nX: ",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
            ] {
                let peer = try Peer(port: served.port)
                try await peer.send(start)
                let piece = String(repeating: "a", count: 32 << 10)
                var sent = 0
                while sent < 256 << 20, peer.poll() {
                    if peer.trySend(piece) { sent += 1 }
                    await Task.yield()
                }
                let answer = String(decoding: peer.received, as: UTF8.self)
                #expect(answer.hasPrefix("HTTP/1.1 4") || answer.isEmpty, "\(start): \(answer)")
            }
            try await served.waitForConnections(0)
        }
    }

    @Test(arguments: [
        ("a header", ["POST / HTTP/1.1\r\nX-A: ", "b"]), ("a header's first byte", ["P", ""]),
        ("nothing", ["", ""]), ("empty lines", ["\r\n", "\r\n"]),
        ("a body", ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "x"]),
        ("a chunk's size", ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "0"]),
        ("chunks", ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"]),
        ("a trailer", ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", "y"]),
    ])
    func whoIsSlowIsCutOffInTotal(what: String, sent: [String]) async throws {
        let held = Held()
        try await Listening.with(
            held.handler,
            limits: {
                $0.idle = .milliseconds(150)
                $0.body = .milliseconds(150)
            }
        ) { served in
            let slow = try Peer(port: served.port)
            try await slow.send(sent[0])
            let said = try await slow.readToEnd { _ = slow.trySend(sent[1]) }
            #expect(said.isEmpty || said.hasPrefix("HTTP/1.1 408 "), "\(what): \(said)")
            #expect(held.count == 0)
        }
    }

    @Test func aConnectionThatRestsIsClosedWithoutAWord() async throws {
        try await Listening.with(echo, limits: { $0.idle = .milliseconds(150) }) { served in
            var hasAnswer = false
            // On a busy machine a connection may be cut off before its request was sent.
            while !hasAnswer {
                let peer = try Peer(port: served.port)
                guard (try? await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) != nil,
                    let answer = try? await peer.answer()
                else { continue }
                #expect(answer.status == 200)
                #expect(try await peer.readToEnd() == "")
                hasAnswer = true
            }
            try await served.waitForConnections(0)
        }
    }

    @Test func anAnswerMayTakeLongerThanARequest() async throws {
        let held = Held()
        try await Listening.with(
            held.handler,
            limits: {
                $0.idle = .milliseconds(20)
                $0.body = .milliseconds(20)
                $0.answer = .milliseconds(20)
            }
        ) { served in
            // On a busy machine a connection may be cut off before its request was sent.
            while true {
                let peer = try Peer(port: served.port)
                guard (try? await peer.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")) != nil else { continue }
                while held.count == 0, peer.poll() { try await Task.sleep(for: .milliseconds(1)) }
                guard held.count > 0 else { continue }
                try await Task.sleep(for: .milliseconds(100))
                held.answerAll()
                #expect(try await peer.answer().text == "/slow\n")
                break
            }
        }
    }

    @Test(arguments: [false, true]) func whoDoesNotReadItsAnswerIsCutOff(tls: Bool) async throws {
        try await Listening.with(
            {
                $1.respond(
                    ServerResponse(status: 200, contentType: nil, body: [UInt8](repeating: 120, count: 32 << 20)))
            },
            certificate: tls ? try TestPair.shared.get().certificate() : nil,
            limits: { $0.answer = .milliseconds(200) }
        ) { served in
            let peer = try Peer(port: served.port, tls: tls)
            if tls { try await peer.handshake() }
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await peer.take(20)
            try await served.waitForConnections(0)
        }
    }

    @Test func whoReadsSlowlyGetsTheWholeAnswer() async throws {
        let body = [UInt8](repeating: 120, count: 4 << 20)
        try await Listening.with({ $1.respond(ServerResponse(status: 200, contentType: nil, body: body)) }) { served in
            let peer = try Peer(port: served.port, receiveBuffer: 64 << 10)
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in 0..<2 { #expect(try await peer.answer().body == body) }
        }
    }

    @Test func aHeaderThatIsTooLargeIsRefused() async throws {
        let held = Held()
        try await Listening.with(held.handler, limits: { $0.headerBytes = 2000 }) { served in
            let field = "X-A: \(String(repeating: "x", count: 10_000))\r\n"
            let asked1 = try await served.ask("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n").status
            #expect(asked1 == 431)
            let fields = (0..<101).map { "X-\($0): a\r\n" }.joined()
            let asked2 = try await served.ask("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").status
            #expect(asked2 == 431)
            #expect(held.count == 0)
        }
    }

    @Test func nonsenseIsAnsweredOrCutOff() async throws {
        try await Listening.with(echo) { served in
            for nonsense in [
                "\r\n\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            ] {
                let peer = try Peer(port: served.port)
                try await peer.send(nonsense)
                peer.finish()
                #expect(try await peer.isClosed())
            }
            // And goes on for others.
            let asked3 = try await served.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status
            #expect(asked3 == 200)
        }
    }

    @Test(arguments: [false, true]) func clientsMayGoAtEveryStep(tls: Bool) async throws {
        let held = Held()
        let handler: HTTPListener.Handler = { request, responder in
            switch request.path {
            case "/held": held.handler(request, responder)
            case "/large":
                responder.respond(
                    ServerResponse(status: 200, contentType: nil, body: [UInt8](repeating: 1, count: 8 << 20)))
            default: echo(request, responder)
            }
        }
        let steps = [
            "", "G", "GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhell",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /held HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET /held HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /large HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/9.9\r\n\r\nmore",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhello",
        ]
        try await Listening.with(handler, certificate: tls ? try TestPair.shared.get().certificate() : nil) { served in
            for step in steps {
                for isReset in [true, false] {
                    let peer = try Peer(port: served.port, tls: tls)
                    if tls, step != "G" { try await peer.handshake() }
                    try await peer.send(step)
                    if step.contains("/held") { try await held.wait(for: 1) }
                    isReset ? peer.reset() : peer.close()
                    held.answerAll()
                }
            }
            while listenerIsBusy(served) {
                held.answerAll()
                try await Task.sleep(for: .milliseconds(1))
            }
            let asked4 = try await served.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n", tls: tls).status
            #expect(asked4 == 200)
        }
    }

    private func listenerIsBusy(_ served: Listening) -> Bool { served.listener.connections > 0 }

    @Test func moreConnectionsThanAllowedWait() async throws {
        try await Listening.with(echo, limits: { $0.connections = 2 }) { served in
            let first = try Peer(port: served.port), second = try Peer(port: served.port)
            for peer in [first, second] {
                try await peer.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await peer.answer().status == 200)
            }
            var waiting: [Peer] = []
            for number in 0..<6 {
                let peer = try Peer(port: served.port)
                try await peer.send("GET /\(number) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                waiting.append(peer)
            }
            try await Task.sleep(for: .milliseconds(50))
            for peer in waiting { #expect(peer.poll() && peer.received.isEmpty) }
            #expect(served.listener.connections == 2)
            first.close()
            for (number, peer) in waiting.enumerated() {
                #expect(try await peer.answer().text == "GET /\(number) \n")
                peer.close()
            }
            try await second.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await second.answer().status == 200)
        }
    }
}
