import HTTP
import TestSupport
import Testing

/// Answers that come piece by piece.
@Suite struct StreamTests {
    /// Answers with a stream that the test feeds.
    private final class Source: Sendable {
        let pieces: AsyncStream<[UInt8]>
        let feed: AsyncStream<[UInt8]>.Continuation
        let hasEnded = StopSignal()

        init() {
            (pieces, feed) = AsyncStream.makeStream(of: [UInt8].self)
            feed.onTermination = { [hasEnded] _ in hasEnded.fire() }
        }

        var handler: HTTPListener.Handler {
            { [pieces] _, responder in
                var response = ServerResponse(status: 200, contentType: "text/x", body: Array("first\n".utf8))
                response.stream = BodyStream(pieces)
                responder.respond(response)
            }
        }
    }

    @Test(arguments: [false, true]) func piecesComeAsTheyAreMade(tls: Bool) async throws {
        let source = Source()
        let certificate = tls ? try TestPair.shared.get().certificate() : nil
        try await Listening.with(source.handler, certificate: certificate) { served in
            let peer = try Peer(port: served.port, tls: tls)
            if tls { try await peer.handshake() }
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await peer.head().header("Transfer-Encoding") == "chunked")
            #expect(try await peer.take(11) == Array("6\r\nfirst\n\r\n".utf8))
            source.feed.yield(Array("second".utf8))
            #expect(try await peer.take(11) == Array("6\r\nsecond\r\n".utf8))
            source.feed.yield([])
            source.feed.yield([UInt8](repeating: 120, count: 17))
            #expect(try await peer.take(23) == Array("11\r\n".utf8) + [UInt8](repeating: 120, count: 17) + [13, 10])
            source.feed.finish()
            #expect(try await peer.take(5) == Array("0\r\n\r\n".utf8))
        }
    }

    @Test func aClientOfTheOldVersionGetsItUntilTheEnd() async throws {
        let source = Source()
        try await Listening.with(source.handler) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            source.feed.yield(Array("second".utf8))
            source.feed.finish()
            let answer = try await peer.readToEnd()
            #expect(answer.contains("Connection: close") && !answer.contains("chunked"))
            #expect(answer.hasSuffix("\r\n\r\nfirst\nsecond"))
        }
    }

    @Test func headAsksForNoPieces() async throws {
        let source = Source()
        try await Listening.with(source.handler) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await peer.head().status == 200)
            source.feed.finish()
        }
    }

    @Test func whoseClientHasGoneEnds() async throws {
        let source = Source()
        try await Listening.with(source.handler) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await peer.head()
            peer.reset()
            await source.hasEnded.wait()
            try await served.waitForConnections(0)
        }
    }

    @Test func whoReadsSlowlyHoldsTheMakerUp() async throws {
        let made = Protected(0)
        let piece = [UInt8](repeating: 120, count: 64 << 10)
        let (signals, go) = AsyncStream.makeStream(of: Void.self)
        let pieces = AsyncStream<[UInt8]> {
            guard
                made.with({
                    $0 += 1; return $0 <= 1000
                })
            else { return nil }
            return piece
        }
        try await Listening.with({ _, responder in
            var response = ServerResponse(status: 200)
            response.stream = BodyStream(pieces)
            responder.respond(response)
            go.finish()
        }) { served in
            let peer = try Peer(port: served.port, receiveBuffer: 16 << 10)
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for await _ in signals {}
            var last = -1
            while made.with({ $0 }) != last {
                last = made.with { $0 }
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(last < 200, "\(last) pieces are made, and nobody has read one")
            #expect(try await peer.answer().body.count == 1000 * piece.count)
        }
    }

    @Test func whoDoesNotReadAPieceIsCutOff() async throws {
        let pieces = AsyncStream<[UInt8]> { [UInt8](repeating: 120, count: 64 << 10) }
        try await Listening.with(
            { _, responder in
                var response = ServerResponse(status: 200)
                response.stream = BodyStream(pieces)
                responder.respond(response)
            }, limits: { $0.answer = .milliseconds(200) }
        ) { served in
            let peer = try Peer(port: served.port)
            try await peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await peer.head()
            try await served.waitForConnections(0)
        }
    }
}
