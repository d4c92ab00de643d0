import Foundation
import HTTP
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

/// What hostile clients may do to a listener, over real sockets.
@Suite struct HTTPListenerTests {
    private func limits(_ change: (inout HTTPLimits) -> Void) -> HTTPLimits {
        var limits = HTTPLimits(bodyBytes: 1000)
        change(&limits)
        return limits
    }

    private func port(_ base: String) -> Int { Int(base.split(separator: ":").last ?? "") ?? 0 }

    @Test func aBodyThatIsTooLargeIsRefusedWhateverItSaysOfItself() async throws {
        try await Loopback.serve({ .text(200, "\($0.body.count)") }, limits: limits { _ in }) { base, _ in
            let declared = try RawConnection(port: port(base))
            try declared.send(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + String(repeating: "x", count: 5000))
            #expect(try await declared.read(until: "413").contains("413"))
            let chunked = try RawConnection(port: port(base))
            try chunked.send(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n"
                    + String(repeating: "x", count: 4096) + "\r\n0\r\n\r\n")
            #expect(try await chunked.read(until: "413").contains("413"))
        }
    }

    @Test func aSlowBodyIsCutOff() async throws {
        try await Loopback.serve({ _ in .init(status: 200) }, limits: limits { $0.body = .milliseconds(200) }) {
            base, _ in
            let slow = try RawConnection(port: port(base))
            try slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
            #expect(try await slow.isClosed { try? slow.send("x") })
        }
    }

    @Test func aSlowHeaderAndAnIdleConnectionAreCutOff() async throws {
        try await Loopback.serve({ _ in .init(status: 200) }, limits: limits { $0.idle = .milliseconds(200) }) {
            base, _ in
            let slow = try RawConnection(port: port(base))
            try slow.send("POST / HTTP/1.1\r\n")
            #expect(try await slow.isClosed { try? slow.send("X-A: b\r\n") })
            let idle = try RawConnection(port: port(base))
            try idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await idle.read(until: "200").contains("200"))
            #expect(try await idle.isClosed {})
        }
    }

    @Test func aHeaderThatIsTooLargeIsRefused() async throws {
        let count = Protected(0)
        try await Loopback.serve(
            { _ in
                count.with { $0 += 1 }
                return .init(status: 200)
            }, limits: limits { $0.headerBytes = 2000 }
        ) { base, _ in
            let large = try RawConnection(port: port(base))
            try large.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: \(String(repeating: "x", count: 10_000))\r\n\r\n")
            #expect(try await large.isClosed {})
            let many = try RawConnection(port: port(base))
            try many.send("GET / HTTP/1.1\r\n" + (0..<500).map { "X-\($0): a\r\n" }.joined() + "\r\n")
            #expect(try await many.isClosed {})
        }
        #expect(count.with { $0 } == 0)
    }

    @Test func nonsenseIsAnsweredOrCutOff() async throws {
        try await Loopback.serve({ _ in .init(status: 200) }) { base, _ in
            for nonsense in [
                "\r\n\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            ] {
                let connection = try RawConnection(port: port(base))
                try connection.send(nonsense)
                connection.finish()
                #expect(try await connection.isClosed {})
            }
            // And goes on for others.
            let good = try RawConnection(port: port(base))
            try good.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await good.read(until: "200").contains("200"))
        }
    }
}
