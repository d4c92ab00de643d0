import Foundation
import HTTP
import TestServers
import TestSupport
import Testing

/// SIGHUP: pipelines are replaced while clients go on.
@Suite struct ReloadTests {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:direct"
    private let options = ["subscribe: false", "verifySignature: false"]

    private func envelope(_ message: String, id: String = UUID().uuidString) throws -> Data {
        try JSONSerialization.data(
            withJSONObject: [
                "Type": "Notification", "MessageId": id, "TopicArn": Self.topic, "Message": message,
                "Timestamp": ISO8601DateFormatter().string(from: Date()),
            ])
    }

    private func count(_ text: String, in gateway: GatewayProcess) -> Int {
        gateway.process.output.components(separatedBy: text).count - 1
    }

    @Test(arguments: [false, true]) func nothingIsLostOrRefusedWhilePipelinesAreReplaced(withSpool: Bool) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("reload-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let durable =
            "spool: {path: \(directory.path)/spool.sqlite}\ndeadLetters: {sqlite: {path: \(directory.path)/letters.sqlite}}"
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: argus.url, source: options, rest: withSpool ? durable : "")
        let isDone = Protected(false)
        let sent = Protected(0)
        let failures = Protected<[String]>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for sender in 0..<4 {
                group.addTask {
                    while !isDone.with({ $0 }) {
                        let number = sent.with {
                            $0 += 1
                            return $0
                        }
                        do {
                            // A connection of its own for each, so that the listener itself is put to the test.
                            let answer = try await Cluster.request(
                                "POST", gateway.url, body: try envelope(webhook("http://a/\(sender)/\(number)")))
                            if answer.status != 200 {
                                failures.with {
                                    $0.append("\(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
                                }
                            }
                        } catch {
                            failures.with { $0.append("\(error)") }
                        }
                    }
                }
            }
            defer { isDone.with { $0 = true } }
            for round in 1...5 {
                // However slow the machine is, each round has seen some requests.
                let before = sent.with { $0 }
                try await Cluster.eventually("requests come") { sent.with { $0 } >= before + 4 }
                gateway.process.send(SIGHUP)
                try await Cluster.eventually(
                    "it is replaced for the \(round)th time; \(gateway.process.output.suffix(2000))"
                ) {
                    count("\"listening\"", in: gateway) == round + 1
                }
            }
            isDone.with { $0 = true }
            try await group.waitForAll()
        }
        #expect(failures.with { $0 } == [])
        let total = sent.with { $0 }
        #expect(total >= 20)
        try await Cluster.eventually("all \(total) are there") { try await argus.items().count == total }
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    @Test func aBrokenFileIsRefusedAndAChangeTakesEffect() async throws {
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(topic: Self.topic, argus: argus.url, source: options)
        let good = try String(contentsOf: gateway.file, encoding: .utf8)
        try (good + "\nnonsense: true\n").write(to: gateway.file, atomically: true, encoding: .utf8)
        gateway.process.send(SIGHUP)
        try await Cluster.eventually("the mistake is logged") {
            count("a pipeline has no option 'nonsense'", in: gateway) == 1
        }
        #expect(try await gateway.post(try envelope(webhook("http://a/"))).status == 200)
        #expect(count("\"listening\"", in: gateway) == 1)

        try good.replacingOccurrences(of: "owner: Argus", with: "owner: Somebody").write(
            to: gateway.file, atomically: true, encoding: .utf8)
        gateway.process.send(SIGHUP)
        try await Cluster.eventually("it is replaced") { count("\"listening\"", in: gateway) == 2 }
        #expect(try await gateway.post(try envelope(webhook("http://b/"))).status == 200)
        #expect(try await argus.items(owner: "Somebody").count == 1)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    @Test func aListInAFileIsReadAgain() async throws {
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(topic: Self.topic, argus: argus.url, source: options)
        let list = gateway.file.deletingPathExtension().appendingPathExtension("txt")
        defer { try? FileManager.default.removeItem(at: list) }
        try "http://a/\n".write(to: list, atomically: true, encoding: .utf8)
        let filter = "stages:\n  - filter: {match: {config.url: {in: {file: \(list.lastPathComponent)}}}}"
        try String(contentsOf: gateway.file, encoding: .utf8).replacingOccurrences(of: "stages:", with: filter)
            .write(to: gateway.file, atomically: true, encoding: .utf8)
        gateway.process.send(SIGHUP)
        try await Cluster.eventually("it is replaced") { count("\"listening\"", in: gateway) == 2 }
        for url in ["http://a/", "http://b/"] {
            #expect(try await gateway.post(try envelope(webhook(url))).status == 200)
        }
        #expect(try await argus.items().count == 1)
        try "http://b/\n".write(to: list, atomically: true, encoding: .utf8)
        gateway.process.send(SIGHUP)
        try await Cluster.eventually("it is replaced again") { count("\"listening\"", in: gateway) == 3 }
        #expect(try await gateway.post(try envelope(webhook("http://b/"))).status == 200)
        #expect(try await argus.items().count == 2)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    @Test func aNewCertificateIsShownAndOneWhoseKeyIsAnotherIsNot() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (certificate, key) = (
            directory.appendingPathComponent("cert.pem"), directory.appendingPathComponent("key.pem")
        )
        func write(_ signer: SNSSigner) throws {
            try signer.certificate.write(to: certificate, atomically: true, encoding: .utf8)
            try signer.privateKey.write(to: key, atomically: true, encoding: .utf8)
        }
        /// The answer's status for a client that trusts this certificate only; nil where it does not trust what it is shown.
        func status(trusting signer: SNSSigner, _ gateway: GatewayProcess) async throws -> Int? {
            let trusted = directory.appendingPathComponent("trusted.pem")
            try signer.certificate.write(to: trusted, atomically: true, encoding: .utf8)
            do {
                return try await HTTPClient.once(
                    "POST", gateway.url.replacingOccurrences(of: "http:", with: "https:"),
                    body: Array(try envelope(webhook("http://a/\(UUID().uuidString)"))),
                    tls: ClientTLSFiles(ca: trusted.path)
                ).status
            } catch HTTPClientError.tls {
                return nil
            }
        }
        let (old, new) = (try SNSSigner(), try SNSSigner())
        try write(old)
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: argus.url,
            source: options + ["tls: {certificate: \(certificate.path), key: \(key.path)}"])
        #expect(try await status(trusting: old, gateway) == 200)
        try write(new)
        gateway.process.send(SIGHUP)
        try await Cluster.eventually("it is replaced") { count("\"listening\"", in: gateway) == 2 }
        #expect(try await status(trusting: new, gateway) == 200)
        #expect(try await status(trusting: old, gateway) == nil)
        // Half of a new pair: all stays as it was, and that is said.
        try old.certificate.write(to: certificate, atomically: true, encoding: .utf8)
        gateway.process.send(SIGHUP)
        try await Cluster.eventually("the mistake is logged; \(gateway.process.output.suffix(2000))") {
            gateway.process.output.split(separator: "\n").contains {
                $0.contains("\"level\":\"error\"") && $0.contains("certificate")
            }
        }
        #expect(try await status(trusting: new, gateway) == 200)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }
}
