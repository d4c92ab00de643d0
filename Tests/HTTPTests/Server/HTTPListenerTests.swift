import HTTP
import Telemetry
import TestServers
import TestSupport
import Testing

@Suite struct ListenAddressTests {
    @Test(arguments: [
        (":6700", "0.0.0.0", 6700), ("127.0.0.1:1", "127.0.0.1", 1), ("localhost:0", "localhost", 0),
        ("[::1]:80", "::1", 80),
    ])
    func reads(text: String, host: String, port: Int) {
        #expect(ListenAddress(text)?.host == host)
        #expect(ListenAddress(text)?.port == port)
    }

    @Test(arguments: ["", "6700", ":", "a:b", ":65536", ":-1", "::1:80", "a b:1", "é:1"]) func refuses(text: String) {
        #expect(ListenAddress(text) == nil)
    }
}

/// What a listener says to well-behaved clients, over real sockets.
@Suite struct HTTPListenerTests {
    @Test(arguments: [false, true]) func requestsOnOneConnectionAreAnsweredInTurn(isElsewhere: Bool) async throws {
        try await Listening.with(isElsewhere ? echoElsewhere : echo) { served in
            let peer = try Peer(port: served.port)
            for number in 0..<20 {
                try await peer.send("POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
                let answer = try await peer.answer()
                #expect(answer.status == 200)
                #expect(answer.text == "POST /\(number) hi\n")
                #expect(answer.header("Connection") == nil)
            }
        }
    }

    @Test(arguments: [false, true]) func requestsThatComeTogetherAreAnsweredInTheirOrder(isElsewhere: Bool) async throws
    {
        try await Listening.with(isElsewhere ? echoElsewhere : echo) { served in
            let peer = try Peer(port: served.port)
            let count = 1500
            try await peer.send((0..<count).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for number in 0..<count { #expect(try await peer.answer().text == "GET /\(number) \n") }
        }
    }

    @Test func requestsMayComeByteByByte() async throws {
        try await Listening.with(echo) { served in
            let peer = try Peer(port: served.port)
            let request = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            for byte in (request + request).utf8 { try await peer.send([byte]) }
            #expect(try await peer.answer().text == "POST /a hi\n")
            #expect(try await peer.answer().text == "POST /a hi\n")
        }
    }

    @Test func anAnswerSaysWhatBelongsToIt() async throws {
        try await Listening.with({ _, responder in
            responder.respond(
                ServerResponse(
                    status: 405,
                    headers: ["Allow": "GET", "X-A": "1", "x-a": "2", "date": "never", "Content-Length": "7"],
                    contentType: "text/x", body: Array("hello".utf8)))
        }) { served in
            let answer = try await served.ask("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.status == 405)
            #expect(answer.head.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"))
            #expect(
                answer.head.contains(
                    "\r\nAllow: GET\r\nX-A: 1\r\nx-a: 2\r\nContent-Type: text/x\r\nContent-Length: 5\r\n"))
            #expect(answer.text == "hello")
            let date = try #require(answer.header("Date"))
            #expect(date.hasSuffix(" GMT") && date.utf8.count == 29, "RFC 9110, 5.6.7: \(date)")
        }
    }

    @Test func headHasNoBodyButItsLength() async throws {
        try await Listening.with(echo) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await peer.answer(toHead: true).header("Content-Length") == "9")
            #expect(try await peer.answer().text == "GET /b \n")
        }
    }

    @Test(arguments: [204, 304]) func someStatusesHaveNoBodyAndNoLength(status: Int) async throws {
        try await Listening.with({ _, responder in
            responder.respond(ServerResponse(status: status, contentType: nil, body: Array("hello".utf8)))
        }) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in 0..<2 {
                let answer = try await peer.answer()
                #expect(answer.status == status)
                #expect(answer.header("Content-Length") == nil && answer.header("Transfer-Encoding") == nil)
            }
        }
    }

    @Test func connectionsAreKeptAsTheClientSays() async throws {
        try await Listening.with(echo) { served in
            let old = try Peer(port: served.port)
            try await old.send("GET /a HTTP/1.0\r\n\r\n")
            #expect(try await old.answer().header("Connection") == "close")
            #expect(try await old.isClosed())
            let kept = try Peer(port: served.port)
            try await kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try await kept.answer().header("Connection") == "keep-alive")
            try await kept.send("GET /b HTTP/1.0\r\n\r\n")
            #expect(try await kept.answer().text == "GET /b \n")
            #expect(try await kept.isClosed())
            let closing = try Peer(port: served.port)
            try await closing.send(
                "GET /a HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await closing.answer().header("Connection") == "close")
            #expect(try await closing.readToEnd() == "", "what comes behind the last request is not answered")
        }
    }

    @Test func whoExpectsToContinueIsToldSo() async throws {
        try await Listening.with(echo) { served in
            let peer = try Peer(port: served.port)
            let head = "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
            for _ in 0..<2 {
                try await peer.send(head + "2\r\n\r\n")
                #expect(try await peer.answer().status == 100)
                try await peer.send("hi")
                #expect(try await peer.answer().text == "POST /a hi\n")
            }
            try await peer.send(head + "2\r\n\r\nhi")
            #expect(try await peer.answer().status == 200, "the body was there already")
            try await peer.send(head + "0\r\n\r\n")
            #expect(try await peer.answer().status == 200, "there is no body")
            let large = try Peer(port: served.port)
            try await large.send(head + "2000\r\n\r\n")
            #expect(try await large.answer().status == 413)
            let other = try await served.ask("GET /a HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n")
            #expect(other.status == 417)
            let old = try await served.ask(
                "POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
            #expect(old.status == 200)
        }
    }

    @Test func whoHasSaidAllItWantedIsStillAnswered() async throws {
        let held = Held()
        try await Listening.with(held.handler) { served in
            let early = try Peer(port: served.port), late = try Peer(port: served.port),
                two = try Peer(port: served.port)
            try await early.send("GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
            early.finish()
            try await late.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
            try await two.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            two.finish()
            try await held.wait(for: 3)
            late.finish()
            held.answerAll()
            #expect(try await early.answer().text == "/early\n")
            #expect(try await late.answer().text == "/late\n")
            #expect(try await two.answer().text == "/1\n")
            try await held.wait(for: 1)
            held.answerAll()
            #expect(try await two.answer().text == "/2\n")
            for peer in [early, late, two] { #expect(try await peer.isClosed()) }
            let half = try Peer(port: served.port)
            try await half.send("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
            half.finish()
            #expect(try await half.isClosed())
            #expect(held.count == 0)
        }
    }

    @Test func theHandlerLearnsWhereARequestComesFrom() async throws {
        let handler: HTTPListener.Handler = { $1.respond(.text(200, $0.remoteAddress ?? "nowhere")) }
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        try await Listening.with(handler) { served in
            let asked1 = try await served.ask(request).text
            #expect(asked1 == "127.0.0.1\n")
        }
        let folder = try FileFolder()
        let path = "\(folder.path)/s"
        try await Listening.with(handler, address: ListenAddress(unixPath: path)) { served in
            #expect(served.listener.port == nil)
            let peer = try Peer(unixPath: path)
            try await peer.send(request)
            #expect(try await peer.answer().text == "nowhere\n")
        }
    }

    @Test func ipv6IsListenedOn() async throws {
        try await Listening.with(echo, address: ListenAddress("[::1]:0")) { served in
            #expect(served.port > 0)
            let answer = try await HTTPClient.once("GET", "http://[::1]:\(served.port)/a")
            #expect(answer.body == Array("GET /a \n".utf8))
        }
    }

    @Test func anAddressThatCannotBeHadIsSaid() async throws {
        let logger = Logger.silent, limits = HTTPLimits(bodyBytes: 1)
        func reason(_ address: ListenAddress?) async -> String {
            guard let address else { return "no address" }
            let listener = HTTPListener(address: address, limits: limits, logger: logger, handler: echo)
            do {
                try await listener.run { await listener.stop() }
                return "it listens"
            } catch { return "\(error)" }
        }
        try await Listening.with(echo) { served in
            let address = "127.0.0.1:\(served.port)"
            #expect(await reason(ListenAddress(address)) == "cannot listen on \(address): the port is taken")
        }
        let elsewhere = await reason(ListenAddress("192.0.2.1:80"))
        #expect(elsewhere == "cannot listen on 192.0.2.1:80: Cannot assign requested address")
        #expect(
            await reason(ListenAddress("no.such.host.invalid:80")).hasPrefix(
                "cannot listen on no.such.host.invalid:80: "))
        let folder = try FileFolder(["file": ""])
        #expect(await reason(ListenAddress(unixPath: "\(folder.path)/file")).hasSuffix("the port is taken"))
        #expect(await reason(ListenAddress(unixPath: "\(folder.path)/none/s")).hasSuffix("No such file or directory"))
        #expect(
            await reason(ListenAddress(unixPath: String(repeating: "x", count: 200))).hasSuffix("the path is too long"))
        #expect(await reason(ListenAddress("127.0.0.1:0")) == "it listens")
    }

    @Test func whatCannotBeSentStaysHere() async throws {
        try await Listening.with({ request, responder in
            responder.respond(
                ServerResponse(
                    status: 200,
                    headers: [
                        "X-A": "a\r\nX-Evil: 1", "X-B": "b\nX-Evil: 2", "X-C": "c\0", "X-D\r\nX-Evil": "3", "X E": "4",
                        "": "5", "X-Good": "6",
                    ], contentType: "text/plain\r\nX-Evil: 7", body: []))
        }) { served in
            let answer = try await served.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.header("X-Good") == "6")
            #expect(answer.head.split(separator: "\r\n").count == 4, "\(answer.head)")
            #expect(!answer.head.contains("Evil"))
        }
    }

    @Test func aStatusThatIsNoneIsAFaultOfTheServer() async throws {
        for status in [0, 100, 199, 600, 1000, -1] {
            try await Listening.with({ $1.respond(ServerResponse(status: status)) }) { served in
                let asked2 = try await served.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status
                #expect(asked2 == 500)
            }
        }
    }

    @Test func aRequestIsAnsweredExactlyOnce() async throws {
        let held = Held()
        try await Listening.with(held.handler) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            try await held.wait(for: 1)
            held.dropAll()
            #expect(try await peer.answer().status == 500, "nobody can answer any more")
            try await held.wait(for: 1)
            held.answerAll()
            #expect(try await peer.answer().text == "/b\n")
        }
        try await Listening.with({ _, responder in
            for number in 1...3 { responder.respond(.text(200, "\(number)")) }
        }) { served in
            let peer = try Peer(port: served.port)
            for _ in 0..<2 {
                try await peer.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await peer.answer().text == "1\n")
            }
        }
    }

    @Test func manyRequestsMayWaitForTheirAnswers() async throws {
        let held = Held()
        try await Listening.with(held.handler) { served in
            var peers: [Peer] = []
            for number in 0..<300 {
                let peer = try Peer(port: served.port)
                try await peer.send("GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n")
                peers.append(peer)
            }
            try await held.wait(for: peers.count)
            held.answerAll()
            for (number, peer) in peers.enumerated() { #expect(try await peer.answer().text == "/\(number)\n") }
        }
    }

    @Test func largeBodiesGoBothWays() async throws {
        let size = 3_000_000
        try await Listening.with(
            { request, responder in
                responder.respond(ServerResponse(status: 200, contentType: nil, body: request.body))
            }, limits: { $0.bodyBytes = size }
        ) { served in
            var generator = SeededGenerator(seed: 7)
            let body = (0..<size / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
            let peer = try Peer(port: served.port)
            for _ in 0..<2 {
                try await peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
                try await peer.send(body)
                #expect(try await peer.answer().body == body)
            }
            try await peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in stride(from: 0, to: body.count, by: 70_000) {
                let piece = body[start..<min(start + 70_000, body.count)]
                try await peer.send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10])
            }
            try await peer.send("0\r\n\r\n")
            #expect(try await peer.answer().body == body)
        }
    }
}
