import Foundation
import TestSupport
import Testing

/// A gateway with a spool and dead letters, as a process that is killed and started again.
@Suite struct DurabilityTests {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:direct"

    private struct Files {
        let directory: URL
        init() throws {
            directory = FileManager.default.temporaryDirectory.appendingPathComponent("durable-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        }
        var spool: String { directory.appendingPathComponent("spool.sqlite").path }
        var letters: String { directory.appendingPathComponent("letters.sqlite").path }
        var options: String { "spool: {path: \(spool)}\ndeadLetters: {sqlite: {path: \(letters)}}" }
        func remove() { try? FileManager.default.removeItem(at: directory) }
    }

    private func envelope(_ message: String, id: String = UUID().uuidString) throws -> Data {
        try JSONSerialization.data(
            withJSONObject: [
                "Type": "Notification", "MessageId": id, "TopicArn": Self.topic, "Message": message,
                "Timestamp": ISO8601DateFormatter().string(from: Date()),
            ])
    }

    private let options = ["subscribe: false", "verifySignature: false"]

    @Test func whatWasAnsweredArrivesThoughArgusWasAwayAndTheGatewayWasKilled() async throws {
        let files = try Files()
        defer { files.remove() }
        let port = try FreePort.find()
        let address = "http://127.0.0.1:\(port)"
        // However slowly they come, the breaker sees enough of them together.
        let first = try await GatewayProcess(
            topic: Self.topic, argus: address, source: options, rest: files.options + "\nbreaker: {window: 10m}")
        for number in 0..<40 {
            #expect(try await first.post(try envelope(webhook("http://a/\(number)"), id: "\(number)")).status == 200)
        }
        #expect(try await first.post(try envelope(webhook("http://a/0"), id: "0")).status == 200)
        #expect(try await first.metrics().contains("xmidt_hecate_spooled_total{pipeline="))
        // The breaker opens: told, but no reason to send anybody away.
        try await Cluster.eventually("the breaker is told of") {
            let (status, _, ready) = try await Cluster.request("GET", "http://127.0.0.1:\(first.operationsPort)/ready")
            return status == 200 && String(decoding: ready, as: UTF8.self).contains("circuit breaker")
        }
        first.process.send(SIGKILL)
        await first.process.wait()

        let second = try await GatewayProcess(topic: Self.topic, argus: address, source: options, rest: files.options)
        #expect(second.process.isRunning)
        // A second process on the same spool is not let in.
        let other = try await GatewayProcess(
            topic: Self.topic, argus: address, source: options, rest: files.options, waits: false)
        #expect(await other.process.wait() == 1)
        #expect(other.process.output.contains("another process uses the spool"))

        let argus = try await ArgusProcess(port: port)
        try await Cluster.eventually("all are there") { try await argus.items().count == 40 }
        #expect(await second.stop() == 0)
        await argus.process.stop()
    }

    @Test func aStopLeavesInTheSpoolWhatCouldNotBeDelivered() async throws {
        let files = try Files()
        defer { files.remove() }
        let port = try FreePort.find()
        let rest = files.options + "\nshutdownGrace: 200ms"
        let first = try await GatewayProcess(
            topic: Self.topic, argus: "http://127.0.0.1:\(port)", source: options, rest: rest)
        for number in 0..<10 {
            #expect(try await first.post(try envelope(webhook("http://a/\(number)"))).status == 200)
        }
        #expect(await first.stop() == 0)
        let argus = try await ArgusProcess(port: port)
        let second = try await GatewayProcess(
            topic: Self.topic, argus: "http://127.0.0.1:\(port)", source: options, rest: rest)
        try await Cluster.eventually("all are there") { try await argus.items().count == 10 }
        #expect(await second.stop() == 0)
        await argus.process.stop()
    }

    @Test func aFullSpoolSendsTheSenderAwayUntilThereIsRoom() async throws {
        let files = try Files()
        defer { files.remove() }
        let port = try FreePort.find()
        let rest = "spool: {path: \(files.spool), maxBytes: 1kB}\ndeadLetters: {sqlite: {path: \(files.letters)}}"
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: "http://127.0.0.1:\(port)", source: options, rest: rest)
        #expect(try await gateway.post(try envelope(webhook("http://a/1"), id: "1")).status == 200)
        let full = try await gateway.post(try envelope(webhook("http://a/2"), id: "2"))
        #expect(full.status == 503 && full.headers["retry-after"] == "30")
        #expect(gateway.process.output.contains("the spool is full"))
        #expect(
            try await gateway.metrics().split(separator: "\n").contains {
                $0.hasPrefix("xmidt_hecate_spooled_total{") && $0.contains("\"full\"") && $0.hasSuffix(" 1")
            })
        let argus = try await ArgusProcess(port: port)
        try await Cluster.eventually("the first is there") { try await argus.items().count == 1 }
        try await Cluster.eventually("the second is taken") {
            try await gateway.post(try envelope(webhook("http://a/2"), id: "2")).status == 200
        }
        try await Cluster.eventually("the second is there") { try await argus.items().count == 2 }
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    @Test func aDeadLetterIsSeenAndSentAgain() async throws {
        let files = try Files()
        defer { files.remove() }
        let port = try FreePort.find()
        // This store does not take the owner "Argus".
        let strict = try await ArgusProcess(port: port, ownerPattern: "^.{10,60}$")
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: strict.url, source: options, rest: files.options)
        #expect(try await gateway.post(try envelope(webhook("http://a/"))).status == 200)
        #expect(try await gateway.post(try envelope("{}")).status == 200)
        func letters(_ arguments: [String]) async throws -> (status: Int32, output: String) {
            let process = try ChildProcess(ChildProcess.hecate, ["dead-letters"] + arguments, name: "letters")
            return (await process.wait(), process.output)
        }
        try await Cluster.eventually("both are dead letters") {
            try await letters(["list", gateway.file.path]).output.contains("2 dead letters")
        }
        let list = try await letters(["list", gateway.file.path]).output
        #expect(list.contains("Invalid Owner format.") && list.contains("config.url is missing or empty"))
        #expect(
            try await letters(["list", "--where", "stage=argus", gateway.file.path]).output.contains("1 dead letter"))
        let json = try await letters(["list", "--json", gateway.file.path]).output
        #expect(json.contains("\"key\":\"http://a/\"") && !json.contains("hunter2"))
        var shown = ""
        for number in ["1", "2"] { shown += try await letters(["show", number, gateway.file.path]).output }
        #expect(shown.contains("http://a/") && shown.contains("after 1 tries"))
        #expect(try await letters(["show", "77", gateway.file.path]).status == 1)
        #expect(try await letters(["list", "--where", "color=red", gateway.file.path]).status == 2)
        #expect(try await letters(["drop", gateway.file.path]).status == 2)

        await strict.process.stop()
        let argus = try await ArgusProcess(port: port)
        let replay = try await letters(["replay", "--log-level", "error", gateway.file.path])
        #expect(replay.status == 1 && replay.output.contains("1 succeeded, 1 refused again"), "\(replay.output)")
        #expect(try await argus.items().count == 1)
        #expect(try await letters(["list", gateway.file.path]).output.contains("1 dead letter"))
        #expect(try await letters(["drop", "--all", gateway.file.path]).output.contains("dropped 1"))
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    @Test func aReplayThatIsKilledLosesNoLetter() async throws {
        let files = try Files()
        defer { files.remove() }
        let port = try FreePort.find()
        let proxy = try FaultProxy(target: port)
        defer { proxy.close() }
        // This store does not take the owner "Argus".
        let strict = try await ArgusProcess(port: port, ownerPattern: "^.{10,60}$")
        let gateway = try await GatewayProcess(
            topic: Self.topic, argus: proxy.url, source: options, rest: files.options)
        let urls = Set((0..<80).map { "http://a/\($0)" })
        for url in urls { #expect(try await gateway.post(try envelope(webhook(url))).status == 200) }
        /// The webhooks among the dead letters.
        func letters() async throws -> Set<String> {
            let process = try ChildProcess(
                ChildProcess.hecate, ["dead-letters", "list", "--json", gateway.file.path], name: "letters")
            await process.wait()
            let lines = process.output.split(separator: "\n").filter { $0.hasPrefix("{") }
            return Set(
                try lines.compactMap {
                    (try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])?["key"] as? String
                })
        }
        try await Cluster.eventually("all are dead letters") { try await letters() == urls }
        await strict.process.stop()
        let argus = try await ArgusProcess(port: port)
        func stored() async throws -> Set<String> {
            Set(
                try await argus.items().compactMap { item in
                    let webhook = (item["data"] as? [String: Any])?["Webhook"] as? [String: Any]
                    return (webhook?["config"] as? [String: Any])?["url"] as? String
                })
        }
        func replay() throws -> ChildProcess {
            try ChildProcess(
                ChildProcess.hecate, ["dead-letters", "replay", "--log-level", "error", gateway.file.path],
                name: "replay")
        }
        // Slow enough to be caught half-way.
        proxy.set(.delay)
        let first = try replay()
        try await Cluster.eventually("some are sent again") { try await stored().count >= 5 }
        first.send(SIGKILL)
        await first.wait()
        let left = try await letters()
        #expect(!left.isEmpty, "it was not caught half-way")
        #expect(try await stored().union(left) == urls)
        proxy.set(.none)
        let second = try replay()
        #expect(await second.wait() == 0, "\(second.output)")
        #expect(try await stored() == urls)
        #expect(try await letters().isEmpty)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }
}
