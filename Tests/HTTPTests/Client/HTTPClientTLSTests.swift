import CHecateSSL
import Foundation
import TestSupport
import Testing
import Wire

@testable import HTTP

/// Connections with TLS: who is believed, and what is said where nobody is.
@Suite struct HTTPClientTLSTests {
    /// Certificates and the folder that has them as files.
    private struct Authority {
        let ca: TestCertificate
        let folder: FileFolder

        init(_ name: String = "test authority") throws {
            ca = try TestCertificate(name: name)
            folder = try FileFolder(["ca.pem": ca.pem])
        }

        var files: ClientTLSFiles { ClientTLSFiles(ca: "\(folder.path)/ca.pem") }

        func certificate(
            _ alternatives: String? = "DNS:localhost,IP:127.0.0.1", name: String = "x",
            from: Date = Date(timeIntervalSinceNow: -3600), until: Date = Date(timeIntervalSinceNow: 86_400)
        ) throws -> TestCertificate {
            try TestCertificate(
                name: name, alternatives: alternatives, isAuthority: false, issuer: ca, validFrom: from,
                validUntil: until)
        }
    }

    /// Asks a server with a certificate once; what came of it, and the requests that it had, each with the name that was asked for.
    private func ask(
        _ tls: RawServer.TLS, _ files: ClientTLSFiles, host: String = "localhost"
    ) async throws -> (outcome: String, requests: [String]) {
        let requests = Protected<[String]>([])
        let server = try RawServer(tls: tls) { peer in
            while peer.next() != nil {
                requests.with { $0.append(peer.serverName ?? "-") }
                peer.reply()
            }
        }
        defer { server.close() }
        let outcome = Protected("")
        let lookup = NameLookup { _ in .success([SocketAddress(numeric: "127.0.0.1")].compactMap { $0 }) }
        try await ClientTrial.with(.init(tls: files), lookup: lookup) { trial in
            let seen = await trial.ask(server, host: host, scheme: "https")
            outcome.with { $0 = seen }
        }
        return (outcome.with { $0 }, requests.with { $0 })
    }

    @Test func namesAndAddressesAreVerified() async throws {
        let authority = try Authority()
        let stranger = try Authority("stranger")
        let mismatch = "no connection: TLS: hostname mismatch"
        let elsewhere = "no connection: TLS: IP address mismatch"
        for (host, alternatives, outcome) in [
            ("localhost", "DNS:localhost,IP:127.0.0.1", "200 \"ok\""),
            ("127.0.0.1", "DNS:localhost,IP:127.0.0.1", "200 \"ok\""),
            ("localhost", "DNS:LOCALHOST", "200 \"ok\""), ("localhost", "DNS:other.example", mismatch),
            ("localhost", "DNS:localhost.evil.example", mismatch), ("localhost", "DNS:*", mismatch),
            ("127.0.0.1", "DNS:127.0.0.1", elsewhere), ("127.0.0.1", "IP:127.0.0.9,DNS:localhost", elsewhere),
            ("a.b.example", "DNS:*.b.example", "200 \"ok\""), ("a.b.example", "DNS:*.example", mismatch),
            ("abc.example", "DNS:a*.example", mismatch), ("b.example", "DNS:*.b.example", mismatch),
            ("name.example.", "DNS:name.example", "200 \"ok\""), ("localhost", nil, mismatch),
        ] as [(String, String?, String)] {
            let seen = try await ask(
                .init(try authority.certificate(alternatives, name: "localhost")), authority.files, host: host)
            #expect(seen.outcome == outcome, "\(host) as \(alternatives ?? "-")")
            let name = host == "127.0.0.1" ? "-" : host.hasSuffix(".") ? String(host.dropLast()) : host
            #expect(seen.requests == (outcome.hasPrefix("200") ? [name] : []))
        }
        let unknown = try await ask(.init(try authority.certificate()), stranger.files)
        #expect(
            unknown.outcome == "no connection: TLS: unable to get local issuer certificate" && unknown.requests.isEmpty)
        let own = try await ask(.init(try TestCertificate()), authority.files)
        #expect(own.outcome == "no connection: TLS: self-signed certificate" && own.requests.isEmpty)
    }

    @Test func certificatesHaveATime() async throws {
        let authority = try Authority()
        let expired = try await ask(
            .init(try authority.certificate(until: Date(timeIntervalSinceNow: -60))), authority.files)
        #expect(expired.outcome == "no connection: TLS: certificate has expired" && expired.requests.isEmpty)
        let future = try await ask(
            .init(try authority.certificate(from: Date(timeIntervalSinceNow: 3600))), authority.files)
        #expect(future.outcome == "no connection: TLS: certificate is not yet valid" && future.requests.isEmpty)
    }

    @Test func aCertificateThatIsNamedAsTrustedIsTrusted() async throws {
        let authority = try Authority()
        // Its own issuer, and one that is not.
        for certificate in [try TestCertificate(), try authority.certificate()] {
            let folder = try FileFolder(["one.pem": certificate.pem])
            #expect(try await ask(.init(certificate), .init(ca: "\(folder.path)/one.pem")).outcome == "200 \"ok\"")
        }
    }

    @Test func oldProtocolsAreNotSpoken() async throws {
        let authority = try Authority()
        var tls = RawServer.TLS(try authority.certificate())
        for (version, isGood) in [(TLS1_1_VERSION, false), (TLS1_2_VERSION, true), (TLS1_3_VERSION, true)] {
            (tls.lowest, tls.highest) = (version, version)
            let seen = try await ask(tls, authority.files)
            if isGood {
                #expect(seen.outcome == "200 \"ok\"")
            } else {
                #expect(seen.outcome.contains("protocol") && seen.outcome.hasPrefix("no connection: TLS: "), "\(seen)")
                #expect(seen.requests.isEmpty)
            }
        }
    }

    @Test func aServerWithoutTLSIsToldFromOthers() async throws {
        try await ClientTrial.with { peer in
            _ = peer.more()
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            peer.waitForClose()
        } _: { trial, server in
            let outcome = await trial.ask(server, scheme: "https")
            #expect(outcome.hasPrefix("no connection: TLS: what answers does not speak TLS"))
        }
        try await ClientTrial.with(server: { _ = $0.more() }) { trial, server in
            #expect(
                await trial.ask(server, scheme: "https")
                    == "no connection: TLS: the connection was closed in the handshake")
        }
        try await ClientTrial.with { peer in
            _ = peer.more()
            peer.reset()
        } _: { trial, server in
            #expect(await trial.ask(server, scheme: "https") == "no connection: TLS: Connection reset by peer")
        }
        // And the other way round: the answer is an alert of TLS.
        let authority = try Authority()
        try await ClientTrial.with(tls: .init(try authority.certificate()), server: { _ in }) { trial, server in
            let outcome = await trial.ask(server)
            #expect(outcome == "malformed" || outcome == "the connection was closed without an answer")
        }
    }

    @Test func clientCertificatesAreShown() async throws {
        let (authority, stranger) = (try Authority(), try Authority())
        let (own, wrong) = (try authority.certificate(), try stranger.certificate())
        try authority.folder.write("own.pem", own.pem)
        try authority.folder.write("own.key", own.key.pem)
        try authority.folder.write("wrong.pem", wrong.pem)
        try authority.folder.write("wrong.key", wrong.key.pem)
        var tls = RawServer.TLS(try authority.certificate())
        tls.clientCA = authority.ca
        for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
            (tls.lowest, tls.highest) = (version, version)
            var files = authority.files
            let without = try await ask(tls, files)
            #expect(
                without.outcome.hasPrefix("no connection: TLS: ") && without.outcome.contains("alert"), "\(without)")
            (files.certificate, files.key) = (
                "\(authority.folder.path)/wrong.pem", "\(authority.folder.path)/wrong.key"
            )
            let refused = try await ask(tls, files)
            #expect(
                refused.outcome.hasPrefix("no connection: TLS: ") && refused.outcome.contains("alert"), "\(refused)")
            (files.certificate, files.key) = ("\(authority.folder.path)/own.pem", "\(authority.folder.path)/own.key")
            #expect(try await ask(tls, files).outcome == "200 \"ok\"")
            #expect(without.requests.isEmpty && refused.requests.isEmpty)
        }
    }

    @Test func filesThatCannotBeReadAreSaidAtOnce() throws {
        let authority = try Authority()
        let certificate = try authority.certificate()
        let folder = try FileFolder([
            "a.pem": certificate.pem, "a.key": certificate.key.pem, "b.key": try TestKey().pem, "none": "nothing\n",
        ])
        let path = folder.path
        for (files, words) in [
            (ClientTLSFiles(ca: "\(path)/missing"), "'\(path)/missing', cannot be read: No such file or directory"),
            (.init(ca: "\(path)/none"), "'\(path)/none', cannot be read: "),
            (.init(certificate: "\(path)/a.pem"), "go together"), (.init(key: "\(path)/a.key"), "go together"),
            (
                .init(certificate: "\(path)/a.pem", key: "\(path)/b.key"),
                "'\(path)/b.key' cannot be read: key values mismatch"
            ),
            (.init(certificate: "\(path)/missing", key: "\(path)/a.key"), "'\(path)/missing' or its key"),
        ] {
            #expect {
                _ = try HTTPClient(.init(tls: files))
            } throws: { ("\($0)").contains(words) && $0 is ClientTLSError }
        }
        _ = try HTTPClient(.init(tls: .init(certificate: "\(path)/a.pem", key: "\(path)/a.key")))
    }

    @Test func aKeyThatIsLockedIsNotAskedAPasswordFor() throws {
        let certificate = try TestCertificate()
        let locked = try #require(Self.locked(certificate.key.pem))
        #expect(locked.contains("ENCRYPTED"))
        let folder = try FileFolder(["a.pem": certificate.pem, "a.key": locked])
        #expect(throws: ClientTLSError.self) {
            _ = try HTTPClient(.init(tls: .init(certificate: "\(folder.path)/a.pem", key: "\(folder.path)/a.key")))
        }
    }

    /// A key as it is with a password.
    private static func locked(_ pem: String) -> String? {
        let (input, output) = (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
        BIO_puts(input, pem)
        let key = PEM_read_bio_PrivateKey(input, nil, nil, nil)
        defer {
            BIO_free(input)
            BIO_free(output)
            EVP_PKEY_free(key)
        }
        let password = Array("secret".utf8)
        guard
            PEM_write_bio_PrivateKey(output, key, EVP_aes_256_cbc(), password, Int32(password.count), nil, nil) == 1
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
        BIO_read(output, &bytes, Int32(bytes.count))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// With TLS 1.3 tickets for new sessions come behind the handshake, also while a connection rests.
    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION]) func connectionsAreKept(version: Int32) async throws {
        let authority = try Authority()
        var tls = RawServer.TLS(try authority.certificate())
        (tls.lowest, tls.highest) = (version, version)
        try await ClientTrial.with(.init(tls: authority.files), tls: tls) { peer in
            while peer.next() != nil {
                peer.reply()
                peer.sendTicket()
            }
        } _: { trial, server in
            for _ in 0..<10 {
                #expect(await trial.ask(server, "POST", scheme: "https", body: [1]) == "200 \"ok\"")
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(server.connections == 1)
        }
    }

    @Test func largeBodiesGoBothWays() async throws {
        let authority = try Authority()
        let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: 97 + $0 % 26) }
        try await ClientTrial.with(.init(tls: authority.files), tls: .init(try authority.certificate())) { peer in
            while let request = peer.next() { peer.reply(200, String(decoding: request.body, as: UTF8.self)) }
        } _: { trial, server in
            let expected = "200 \"\(String(decoding: body, as: UTF8.self))\""
            for _ in 0..<2 {
                let seen = await trial.ask(server, "POST", scheme: "https", body: body, limit: .whole(4 << 20))
                #expect(seen == expected, "\(seen.prefix(80))")
            }
            #expect(server.connections == 1)
        }
    }

    @Test func theEndOfTCPIsNotTheEndOfAnAnswer() async throws {
        let authority = try Authority()
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\n[]", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[]",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
        ] {
            for isOrderly in [false, true] {
                try await ClientTrial.with(.init(tls: authority.files), tls: .init(try authority.certificate())) {
                    peer in
                    _ = peer.next()
                    peer.send(answer)
                    if !isOrderly { peer.endQuietly() }
                } _: { trial, server in
                    let outcome = await trial.ask(server, scheme: "https")
                    let isWhole = isOrderly && answer.hasSuffix("\r\n\r\n[]") && !answer.contains("Length")
                    #expect(outcome == (isWhole ? "200 \"[]\"" : "the connection was closed within an answer"))
                }
            }
        }
    }

    @Test func whatIsNoRecordEndsTheConnection() async throws {
        let authority = try Authority()
        let requests = Protected(0)
        try await ClientTrial.with(.init(tls: authority.files), tls: .init(try authority.certificate())) { peer in
            while peer.next() != nil {
                let number = requests.with { count in
                    count += 1
                    return count
                }
                if number % 2 == 0 {
                    peer.sendPlainly([0x17, 3, 3, 0, 32] + [UInt8](repeating: 0x78, count: 32))
                    return peer.waitForClose()
                }
                peer.reply()
            }
        } _: { trial, server in
            #expect(await trial.ask(server, "POST", scheme: "https", body: [1]) == "200 \"ok\"")
            #expect(
                await trial.ask(server, "POST", scheme: "https", body: [1])
                    == "the connection was closed without an answer")
            #expect(await trial.ask(server, "POST", scheme: "https", body: [1]) == "200 \"ok\"")
            #expect(requests.with { $0 } == 3)
        }
    }

    @Test func aRefusalIsHeardWhileTheRequestIsStillBeingSent() async throws {
        let authority = try Authority()
        for isRead in [true, false] {
            try await ClientTrial.with(.init(tls: authority.files), tls: .init(try authority.certificate())) { peer in
                guard peer.head() != nil else { return }
                peer.reply(413, "no", "Connection: close\r\n")
                if isRead { peer.waitForClose() }
            } _: { trial, server in
                let body = [UInt8](repeating: 0x78, count: 6_000_000)
                let seen = await trial.ask(server, "POST", scheme: "https", body: body)
                #expect(seen == "413 \"no\"", "\(isRead)")
            }
        }
    }

    @Test func theSystemsRootsAreReadWhenTheyAreNeeded() async throws {
        let authority = try Authority()
        // They are there, and do not know this one.
        let seen = try await ask(.init(try authority.certificate()), ClientTLSFiles())
        #expect(seen.outcome == "no connection: TLS: unable to get local issuer certificate")
    }
}
