import HTTP
import TestServers
import TestSupport
import Testing

/// A certificate and its key, in files.
final class TestPair: Sendable {
    /// One for all tests: keys take their time.
    static let shared = Result { try TestPair(name: "shared") }

    let folder: FileFolder
    let pem: String

    init(name: String) throws {
        let made = try TestCertificate(name: name)
        pem = made.pem
        folder = try FileFolder(["c.pem": made.pem, "k.pem": made.key.pem])
    }

    var files: ServerTLS { ServerTLS(certificate: "\(folder.path)/c.pem", key: "\(folder.path)/k.pem") }

    func certificate() throws -> ServerCertificate { try ServerCertificate(files) }
}

/// A listener with TLS.
@Suite struct ListenerTLSTests {
    private let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test(arguments: [false, true]) func requestsAreAnsweredOverTLS(isElsewhere: Bool) async throws {
        let certificate = try TestPair.shared.get().certificate()
        try await Listening.with(isElsewhere ? echoElsewhere : echo, certificate: certificate) { served in
            let peer = try Peer(port: served.port, tls: true)
            try await peer.handshake()
            for _ in 0..<3 {
                try await peer.send(get)
                #expect(try await peer.answer().text == "GET /a \n")
            }
            // Many together fill more than a record, and more than what is read at once.
            let count = 1500
            try await peer.send((0..<count).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for number in 0..<count { #expect(try await peer.answer().text == "GET /\(number) \n") }
            for byte in get.utf8 { try await peer.send([byte]) }
            #expect(try await peer.answer().text == "GET /a \n")
        }
    }

    @Test func largeBodiesGoBothWaysOverTLS() async throws {
        let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try await Listening.with(
            { $1.respond(ServerResponse(status: 200, contentType: nil, body: $0.body)) },
            certificate: try TestPair.shared.get().certificate(), limits: { $0.bodyBytes = body.count }
        ) { served in
            let peer = try Peer(port: served.port, tls: true, receiveBuffer: 32 << 10)
            try await peer.handshake()
            for _ in 0..<2 {
                try await peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
                try await peer.send(body)
                #expect(try await peer.answer().body == body)
            }
        }
    }

    @Test(arguments: [false, true]) func whoHasSaidAllItWantedIsStillAnswered(isSaid: Bool) async throws {
        let held = Held()
        try await Listening.with(held.handler, certificate: try TestPair.shared.get().certificate()) { served in
            let peer = try Peer(port: served.port, tls: true)
            try await peer.handshake()
            try await peer.send(get)
            isSaid ? peer.finish() : peer.finishBelow()
            try await held.wait(for: 1)
            held.answerAll()
            #expect(try await peer.answer().text == "/a\n")
            #expect(try await peer.readToEnd() == "")
        }
    }

    @Test(arguments: ["", "\u{16}", "\u{16}\u{3}\u{1}\u{2}"]) func aHandshakeThatStallsIsCutOff(sent: String)
        async throws
    {
        try await Listening.with(
            echo, certificate: try TestPair.shared.get().certificate(), limits: { $0.idle = .milliseconds(150) }
        ) { served in
            let peer = try Peer(port: served.port)
            try await peer.send(sent)
            _ = try await peer.readToEnd()
        }
    }

    @Test func whoSpeaksNoTLSIsCutOff() async throws {
        try await Listening.with(echo, certificate: try TestPair.shared.get().certificate()) { served in
            for nonsense in [get, "\u{16}\u{3}\u{1}\u{0}\u{5}hello", String(repeating: "x", count: 10_000)] {
                let peer = try Peer(port: served.port)
                try await peer.send(nonsense)
                #expect(try await peer.readToEnd().contains("HTTP/1.1") == false)
            }
            // And goes on for others.
            let asked1 = try await served.ask(get, tls: true).status
            #expect(asked1 == 200)
        }
    }

    @Test func aClientOfAnOldVersionIsRefused() async throws {
        try await Listening.with(echo, certificate: try TestPair.shared.get().certificate()) { served in
            // A hello of TLS 1.1.
            let hello: [UInt8] =
                [22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 2] + [UInt8](repeating: 7, count: 32) + [
                    0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0,
                ]
            let peer = try Peer(port: served.port)
            try await peer.send(hello)
            _ = try await peer.readToEnd()
            try await served.waitForConnections(0)
        }
    }

    @Test func aCertificateIsReplacedWhileOldConnectionsGoOn() async throws {
        let first = try TestPair(name: "first"), second = try TestPair(name: "second")
        let certificate = try first.certificate()
        try await Listening.with(echo, certificate: certificate) { served in
            let old = try Peer(port: served.port, tls: true)
            try await old.handshake()
            try certificate.replace(by: second.files)
            let base = "https://127.0.0.1:\(served.port)/a"
            let trusting = ClientTLSFiles(ca: "\(second.folder.path)/c.pem")
            #expect(try await HTTPClient.once("GET", base, tls: trusting).status == 200)
            let outdated = ClientTLSFiles(ca: "\(first.folder.path)/c.pem")
            await #expect(throws: HTTPClientError.self) { try await HTTPClient.once("GET", base, tls: outdated) }
            try await old.send(get)
            #expect(try await old.answer().status == 200)
        }
    }

    @Test func aPairThatDoesNotFitIsSaidAndLeavesTheOldInPlace() async throws {
        let first = try TestPair(name: "first"), second = try TestPair(name: "second")
        let certificate = try first.certificate()
        let mixed = ServerTLS(certificate: first.files.certificate, key: second.files.key)
        #expect {
            try certificate.replace(by: mixed)
        } throws: { error in
            "\(error)".contains("cannot be read: key values mismatch") && "\(error)".contains(second.files.key)
        }
        #expect(throws: HTTPListenerError.self) { try ServerCertificate(mixed) }
        #expect {
            try certificate.replace(by: ServerTLS(certificate: "/none.pem", key: first.files.key))
        } throws: {
            "\($0)".contains("/none.pem")
        }
        let broken = try FileFolder([
            "c.pem": "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "e": "",
        ])
        #expect(throws: HTTPListenerError.self) {
            try certificate.replace(by: ServerTLS(certificate: "\(broken.path)/c.pem", key: first.files.key))
        }
        #expect(throws: HTTPListenerError.self) {
            try certificate.replace(by: ServerTLS(certificate: "\(broken.path)/e", key: "\(broken.path)/e"))
        }
        try await Listening.with(echo, certificate: certificate) { served in
            let trusting = ClientTLSFiles(ca: "\(first.folder.path)/c.pem")
            let answer = try await HTTPClient.once("GET", "https://127.0.0.1:\(served.port)/a", tls: trusting)
            #expect(answer.status == 200)
        }
    }

    @Test func aListenerEndsWhileSomeShakeHands() async throws {
        try await Listening.with(echo, certificate: try TestPair.shared.get().certificate()) { served in
            let silent = try Peer(port: served.port), rested = try Peer(port: served.port, tls: true)
            try await rested.handshake()
            try await served.waitForConnections(2)
            await served.listener.stop()
            #expect(try await silent.readToEnd() == "")
            #expect(try await rested.readToEnd() == "")
            try await served.running.value
        }
    }
}
