import Foundation
import TestSupport
import Testing

/// What was answered 200 is stored, or among the dead letters, or superseded, or expired: whatever goes wrong in between, and
/// exactly.
@Suite struct FaultTests {
    private static let direct = "arn:aws:sns:us-east-1:000000000000:direct"

    private struct Files {
        let directory: URL
        init() throws {
            directory = FileManager.default.temporaryDirectory.appendingPathComponent("faults-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        }
        var options: String {
            """
            spool: {path: \(directory.path)/spool.sqlite}
            deadLetters: {sqlite: {path: \(directory.path)/letters.sqlite}}
            retry: {initial: 20ms, max: 300ms}
            breaker: {pause: 100ms}
            """
        }
        func remove() { try? FileManager.default.removeItem(at: directory) }
    }

    /// How many messages ended so, by the gateway's own metrics.
    private func ended(_ outcome: String, _ metrics: String) -> Int {
        let line = metrics.split(separator: "\n").first {
            $0.hasPrefix("xmidt_hecate_messages_total{") && $0.contains("outcome=\"\(outcome)\"")
        }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    private func letters(_ gateway: GatewayProcess) async throws -> Int {
        let process = try ChildProcess(
            ChildProcess.hecate, ["dead-letters", "list", "--json", gateway.file.path], name: "letters")
        await process.wait()
        return process.output.split(separator: "\n").filter { $0.hasPrefix("{") }.count
    }

    @Test(
        .enabled(if: Cluster.isThere, "started by Tests/run, which starts LocalStack"),
        arguments: FaultProxy.Fault.allCases)
    func everyMessageIsAccountedFor(fault: FaultProxy.Fault) async throws {
        let files = try Files()
        defer { files.remove() }
        let topic = try await Cluster.makeTopic()
        let argus = try await ArgusProcess()
        let proxy = try FaultProxy(target: argus.port)
        defer { proxy.close() }
        let gateway = try await GatewayProcess(topic: topic, argus: proxy.url, rest: files.options, timeout: "500ms")
        var published = 0
        func publish(_ range: Range<Int>) async throws {
            for number in range {
                try await Cluster.publish(webhook("http://a/\(number)"), to: topic)
                published += 1
                // Renewals of the same webhooks, records that are none, and such as have ended.
                if number % 5 == 0 {
                    try await Cluster.publish(webhook("http://a/\(number)", lives: 2000), to: topic)
                    try await Cluster.publish("{\"not\": \"a webhook\"}", to: topic)
                    try await Cluster.publish(webhook("http://ended/\(number)", lives: -5), to: topic)
                    published += 3
                }
            }
        }
        try await publish(0..<5)
        proxy.set(fault)
        try await publish(5..<25)
        try await Task.sleep(for: .milliseconds(600))
        proxy.set(.none)
        try await publish(25..<30)

        var metrics = ""
        try await Cluster.eventually("all \(published) have ended with \(fault); \(metrics)") {
            metrics = try await gateway.metrics()
            return ["delivered", "dead_lettered", "superseded", "expired"].reduce(0) { $0 + ended($1, metrics) }
                == published
        }
        #expect(try await argus.items().count == 30)
        #expect(try await letters(gateway) == 6 && ended("dead_lettered", metrics) == 6)
        #expect(ended("expired", metrics) == 6)
        #expect(ended("delivered", metrics) + ended("superseded", metrics) == 36)
        #expect(metrics.contains("xmidt_hecate_spool_messages{"))
        try await Cluster.eventually("the spool is empty") {
            try await gateway.metrics().split(separator: "\n").contains {
                $0.hasPrefix("xmidt_hecate_spool_messages{") && $0.hasSuffix(" 0")
            }
        }
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    @Test func nothingThatWasAnsweredIsLostOverFiftyKills() async throws {
        let files = try Files()
        defer { files.remove() }
        let argus = try await ArgusProcess()
        let port = try FreePort.find()
        let isDone = Protected(false)
        let accepted = Protected<(good: Set<String>, bad: Int)>(([], 0))
        let url = "http://127.0.0.1:\(port)/api/v2/aws/sns"
        var generator = SeededGenerator(seed: 50)
        var last: GatewayProcess?
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { isDone.with { $0 = true } }
            for sender in 0..<4 {
                group.addTask {
                    var number = 0
                    while !isDone.with({ $0 }) {
                        number += 1
                        let address = "http://a/\(sender)/\(number)"
                        let isBad = number % 20 == 0
                        let body = try JSONSerialization.data(
                            withJSONObject: [
                                "Type": "Notification", "MessageId": address, "TopicArn": Self.direct,
                                "Message": isBad ? "{\"url\":\"\(address)\"}" : webhook(address),
                                "Timestamp": ISO8601DateFormatter().string(from: Date()),
                            ])
                        // As SNS does it: the same message again, until it is answered with success.
                        while !isDone.with({ $0 }) {
                            if (try? await Cluster.request("POST", url, body: body).status) == 200 {
                                accepted.with { accepted in
                                    if isBad { accepted.bad += 1 } else { accepted.good.insert(address) }
                                }
                                break
                            }
                            try await Task.sleep(for: .milliseconds(5))
                        }
                    }
                }
            }
            for round in 0...50 {
                let gateway = try await GatewayProcess(
                    topic: Self.direct, argus: argus.url, source: ["subscribe: false", "verifySignature: false"],
                    rest: files.options,
                    port: port, waits: round == 50, logLevel: "error")
                last = gateway
                if round == 50 { break }
                // However slow the machine is, each has taken something before it is killed.
                let before = accepted.with { $0.good.count }
                try await Cluster.eventually("it takes messages") { accepted.with { $0.good.count } >= before + 3 }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...250, using: &generator)))
                gateway.process.send(SIGKILL)
                await gateway.process.wait()
            }
            isDone.with { $0 = true }
            try await group.waitForAll()
        }
        let gateway = try #require(last)
        let (good, bad) = accepted.with { $0 }
        #expect(good.count >= 150, "\(good.count) were accepted")
        try await Cluster.eventually("the spool is empty") {
            try await gateway.metrics().split(separator: "\n").contains {
                $0.hasPrefix("xmidt_hecate_spool_messages{") && $0.hasSuffix(" 0")
            }
        }
        let stored = Set(
            try await argus.items().compactMap { item in
                (((item["data"] as? [String: Any])?["Webhook"] as? [String: Any])?["config"] as? [String: Any])?["url"]
                    as? String
            })
        // One whose answer was lost with the gateway may be stored beyond those that were answered.
        #expect(good.subtracting(stored).isEmpty, "\(good.subtracting(stored).count) of \(good.count) are lost")
        #expect(stored.count - good.count <= 4 + 50 * 4)
        #expect(try await letters(gateway) >= bad)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }

    /// A store that is killed and comes back at the same address: connections to it were in use, and others were kept for the next.
    @Test func nothingIsLostWhereTheStoreIsKilledAndStartedAgain() async throws {
        let files = try Files()
        defer { files.remove() }
        let data = ["--data", "\(files.directory.path)/items.sqlite"]
        let port = try FreePort.find()
        var argus = try await ArgusProcess(port: port, arguments: data)
        let gateway = try await GatewayProcess(
            topic: Self.direct, argus: argus.url,
            source: ["subscribe: false", "verifySignature: false", "answerWithin: 10m"],
            rest: "retry: {initial: 20ms, max: 200ms, maxElapsed: 10m}\nbreaker: {pause: 100ms}", timeout: "60s",
            logLevel: "error")
        let isDone = Protected(false)
        let accepted = Protected<Set<String>>([])
        let failures = Protected<[String]>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { isDone.with { $0 = true } }
            for sender in 0..<8 {
                group.addTask {
                    var number = 0
                    while !isDone.with({ $0 }) {
                        number += 1
                        let address = "http://a/\(sender)/\(number)"
                        let body = try JSONSerialization.data(
                            withJSONObject: [
                                "Type": "Notification", "MessageId": address, "TopicArn": Self.direct,
                                "Message": webhook(address),
                            ])
                        let answer = try await gateway.post(body)
                        if answer.status == 200 {
                            accepted.with { _ = $0.insert(address) }
                        } else {
                            failures.with {
                                $0.append("\(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
                            }
                        }
                    }
                }
            }
            for _ in 0..<8 {
                let before = accepted.with { $0.count }
                try await Cluster.eventually("it stores; \(gateway.process.output.suffix(2000))") {
                    accepted.with { $0.count } >= before + 40
                }
                argus.process.send(SIGKILL)
                await argus.process.wait()
                argus = try await ArgusProcess(port: port, arguments: data)
            }
            isDone.with { $0 = true }
            try await group.waitForAll()
        }
        #expect(failures.with { $0 } == [])
        let stored = try await argus.items().compactMap { item in
            (((item["data"] as? [String: Any])?["Webhook"] as? [String: Any])?["config"] as? [String: Any])?["url"]
                as? String
        }
        #expect(Set(stored) == accepted.with { $0 })
        #expect(stored.count == Set(stored).count)
        #expect(ended("delivered", try await gateway.metrics()) == stored.count)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }
}
