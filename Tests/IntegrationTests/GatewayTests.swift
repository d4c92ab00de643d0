import Foundation
import HTTP
import TestServers
import TestSupport
import Testing

/// The gateway as a process, spoken to as SNS speaks to it, without SNS.
@Suite struct GatewayTests {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:direct"
    /// Options with which what is inside stays there for as long as a busy machine may need to act on it.
    private static let patient = "retry: {max: 200ms, maxElapsed: 5m}\nshutdownGrace: 5m"

    /// A certificate server, and envelopes signed with its key.
    private struct Sender {
        let signer: SNSSigner
        let base: String

        func envelope(_ message: String, _ change: (inout SNSSigner.Envelope) -> Void = { _ in }) throws -> Data {
            var envelope = SNSSigner.Envelope()
            envelope.topic = GatewayTests.topic
            envelope.certURL = "\(base)/cert.pem"
            envelope.timestamp = ISO8601DateFormatter().string(from: Date())
            envelope.message = message
            change(&envelope)
            return try signer.sign(envelope)
        }
    }

    private func withSender(_ body: @escaping @Sendable (Sender) async throws -> Void) async throws {
        let signer = try SNSSigner()
        try await Loopback.serve({ _ in .text(200, signer.certificate) }) { base, _ in
            try await body(Sender(signer: signer, base: base))
        }
    }

    /// A gateway that has the sender's certificate: it gives up the fetching after some seconds, which a busy machine may need.
    private func gateway(_ sender: Sender, argus: String, source: [String] = [], rest: String = "") async throws
        -> GatewayProcess
    {
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: argus, source: options(sender) + source, rest: rest)
        try await Cluster.eventually("the certificate is fetched") {
            try await gateway.post(try sender.envelope("{}")).status == 400
        }
        return gateway
    }

    private func options(_ sender: Sender) -> [String] {
        ["subscribe: false", "trustedCertificateURLs: [\"\(sender.base)/\"]"]
    }

    @Test func aSignedNotificationIsStoredAndAForgedOneIsNot() async throws {
        let elsewhere = Protected<[String]>([])
        try await withSender { sender in
            try await Loopback.serve({ request in
                elsewhere.with { $0.append(request.path) }
                return .text(200, sender.signer.certificate)
            }) { attacker, _ in
                let argus = try await ArgusProcess()
                let gateway = try await gateway(sender, argus: argus.url)
                let forged = try await gateway.post(
                    try sender.envelope(webhook("http://forged/")) { $0.certURL = "\(attacker)/cert.pem" })
                #expect(forged.status == 403)
                #expect(String(decoding: forged.body, as: UTF8.self).contains("SigningCertURL"))
                #expect(try await gateway.post(try sender.envelope(webhook("http://good/"))).status == 200)
                #expect(
                    try await gateway.post(try sender.envelope(webhook("http://two/")) { $0.version = "2" }).status
                        == 200)
                #expect(try await gateway.post(Data("hello".utf8)).status == 400)
                #expect(try await gateway.post(try sender.envelope("{}")).status == 400)
                #expect(try await gateway.post(Data(count: 2 << 20)).status == 413)
                #expect(try await argus.items().count == 2)
                #expect(try await gateway.metrics().contains("notification_unmarshall_failed_count"))
                await gateway.stop()
                await argus.process.stop()
            }
        }
        #expect(elsewhere.with { $0 }.isEmpty)
    }

    @Test func whileArgusIsAwayTheSenderIsToldToComeAgain() async throws {
        try await withSender { sender in
            let port = try FreePort.find()
            let gateway = try await gateway(
                sender, argus: "http://127.0.0.1:\(port)", source: ["answerWithin: 1s"],
                rest: "retry: {initial: 50ms, max: 200ms, maxElapsed: 500ms}")
            let body = try sender.envelope(webhook("http://a/"))
            let away = try await gateway.post(body)
            #expect(away.status == 503)
            #expect(Int(away.headers["retry-after"] ?? "") ?? 0 >= 1)
            let argus = try await ArgusProcess(port: port)
            #expect(try await gateway.post(body).status == 200)
            #expect(try await argus.items().count == 1)
            await argus.process.stop()
            await gateway.stop()
        }
    }

    @Test func aStopLetsWhatIsInsideEnd() async throws {
        try await withSender { sender in
            let port = try FreePort.find()
            let gateway = try await gateway(
                sender, argus: "http://127.0.0.1:\(port)", source: ["answerWithin: 5m"], rest: Self.patient)
            let body = try sender.envelope(webhook("http://a/"))
            async let answer = gateway.post(body)
            try await Cluster.eventually("the message is inside") {
                (try await retries(gateway)) > 0
            }
            gateway.process.send(SIGTERM)
            let argus = try await ArgusProcess(port: port)
            #expect(try await answer.status == 200)
            #expect(await gateway.process.wait() == 0)
            #expect(try await argus.items().count == 1)
            await argus.process.stop()
        }
    }

    private func retries(_ gateway: GatewayProcess) async throws -> Int {
        let line = try await gateway.metrics().split(separator: "\n").first {
            $0.hasPrefix("xmidt_hecate_retries_total{")
        }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    @Test func whatCannotEndInTimeIsToldToItsSenderAtTheStop() async throws {
        try await withSender { sender in
            let gateway = try await gateway(sender, argus: "http://127.0.0.1:9", rest: "shutdownGrace: 300ms")
            async let answer = gateway.post(try sender.envelope(webhook("http://a/")))
            try await Cluster.eventually("the message is inside") { (try await retries(gateway)) > 0 }
            gateway.process.send(SIGTERM)
            #expect(try await answer.status == 503)
            #expect(await gateway.process.wait() == 0)
        }
    }

    @Test func aSecondSignalEndsItAtOnce() async throws {
        try await withSender { sender in
            let gateway = try await gateway(
                sender, argus: "http://127.0.0.1:9", source: ["answerWithin: 5m"], rest: Self.patient)
            let waiting = Task { try? await gateway.post(try sender.envelope(webhook("http://a/"))) }
            try await Cluster.eventually("the message is inside") { (try await retries(gateway)) > 0 }
            gateway.process.send(SIGTERM)
            try await Cluster.eventually("it is stopping") { gateway.process.output.contains("\"stopping\"") }
            gateway.process.send(SIGTERM)
            #expect(await gateway.process.wait() == 130)
            _ = await waiting.value
        }
    }

    @Test func aBeforeConfirmationNotificationIsToComeAgain() async throws {
        // Nothing answers at the SNS endpoint, so the subscription is never confirmed.
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: "http://127.0.0.1:9",
            source: ["verifySignature: false", "publicURL: http://127.0.0.1:9"], waits: false)
        try await Cluster.eventually("it listens") { gateway.process.output.contains("\"listening\"") }
        let body = #"{"Type":"Notification","MessageId":"1","TopicArn":"\#(Self.topic)","Message":"{}"}"#
        let answer = try await gateway.post(Data(body.utf8))
        #expect(answer.status == 503 && answer.headers["retry-after"] != nil)
        #expect(await gateway.status("/ready") == 503)
        await gateway.stop()
    }

    @Test func itWaitsForItsOwnNameBeforeItSubscribes() async throws {
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: "http://127.0.0.1:9",
            source: ["publicURL: http://hecate.invalid:1", "waitForDNS: 1s"], waits: false)
        try await Cluster.eventually("it waits, and then goes on") {
            gateway.process.output.contains("still has no address")
                && gateway.process.output.contains("subscribing failed")
        }
        let metrics = try await gateway.metrics()
        #expect(metrics.contains("xmidt_hecate_dns_ready{"))
        #expect(
            metrics.split(separator: "\n").contains {
                $0.hasPrefix("xmidt_hecate_dns_ready_query_count{") && !$0.hasSuffix(" 0")
            })
        #expect(await gateway.stop() == 0)
    }

    @Test func theListenerSpeaksTLS() async throws {
        try await withSender { sender in
            let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: directory) }
            let certificate = directory.appendingPathComponent("cert.pem")
            let key = directory.appendingPathComponent("key.pem")
            try sender.signer.certificate.write(to: certificate, atomically: true, encoding: .utf8)
            try sender.signer.privateKey.write(to: key, atomically: true, encoding: .utf8)
            let argus = try await ArgusProcess()
            let gateway = try await GatewayProcess(
                topic: Self.topic, argus: argus.url,
                source: options(sender) + ["tls: {certificate: \(certificate.path), key: \(key.path)}"])
            let url = gateway.url.replacingOccurrences(of: "http:", with: "https:")
            let body = Array(try sender.envelope(webhook("http://a/")))
            // Until it has the certificate of who signed.
            try await Cluster.eventually("it is answered 200") {
                try await HTTPClient.once("POST", url, body: body, tls: ClientTLSFiles(ca: certificate.path)).status
                    == 200
            }
            #expect(try await argus.items().count == 1)
            await gateway.stop()
            await argus.process.stop()
        }
    }

    @Test func theBenchmarkLosesNothing() async throws {
        let bench = try ChildProcess(
            ChildProcess.products.appendingPathComponent("hecate-bench"),
            [
                "all", "--generated", "5000", "--rounds", "1", "--notifications", "500", "--connections", "16",
            ], name: "bench")
        #expect(await bench.wait() == 0, "\(bench.output)")
        let rows = bench.output.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(rows.contains(["lost", "0"]) && rows.contains(["stored", "500"]), "\(bench.output)")
    }
}

/// The store as a process.
@Suite struct ArgusProcessTests {
    @Test func itemsSurviveKill9() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("argus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let data = directory.appendingPathComponent("items.sqlite").path
        let first = try await ArgusProcess(arguments: ["--data", data])
        let id = String(repeating: "a", count: 64)
        let began = ContinuousClock.now
        for number in 0..<20 {
            let own = String(id.dropLast(2)) + String(format: "%02x", number)
            let (status, _, _) = try await Cluster.request(
                "PUT", "\(first.url)/api/v1/store/webhooks/\(own)",
                headers: ["Authorization": "Basic dXNlcjpwYXNz", "X-Midt-Owner": "Argus"],
                body: Data("{\"id\":\"\(own)\",\"data\":{\"n\":\(number)},\"ttl\":500}".utf8))
            #expect(status == 201)
        }
        first.process.send(SIGKILL)
        await first.process.wait()
        let second = try await ArgusProcess(arguments: ["--data", data])
        let items = try await second.items()
        #expect(items.count == 20)
        // Their lives went on, and no faster than the time.
        let passed = Int((ContinuousClock.now - began).components.seconds) + 2
        #expect(items.allSatisfy { (500 - passed...500).contains($0["ttl"] as? Int ?? 0) })
        await second.process.stop()
    }
}
