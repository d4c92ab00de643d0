import Foundation
import TestSupport
import Testing

/// From a real SNS-compatible server through a gateway into a store, each in its own process.
@Suite(.enabled(if: Cluster.isThere, "started by Tests/run, which starts LocalStack")) struct SNSToArgusTests {
    @Test func aWebhookTravelsFromThePublicationToTheStore() async throws {
        let topic = try await Cluster.makeTopic()
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(topic: topic, argus: argus.url)
        let published = ContinuousClock.now
        try await Cluster.publish(webhook("http://a/ü?x=<&>"), to: topic)
        try await Cluster.eventually("the item is there") { try await argus.items().count == 1 }
        let item = try #require(try await argus.items().first)
        // What has passed since then, and a second for each of three roundings to whole ones.
        let passed = Int((ContinuousClock.now - published).components.seconds) + 3
        #expect((3000 - passed...3000).contains(try #require(item["ttl"] as? Int)))
        let data = item["data"] as? [String: Any]
        let config = (data?["Webhook"] as? [String: Any])?["config"] as? [String: Any]
        #expect(config?["url"] as? String == "http://a/ü?x=<&>")
        #expect(try await argus.items(owner: "somebody else").isEmpty)
        // A renewal replaces it.
        try await Cluster.publish(webhook("http://a/ü?x=<&>", lives: 500), to: topic)
        try await Cluster.eventually("the renewal is there") {
            (try await argus.items().first?["ttl"] as? Int ?? 9999) <= 500
        }
        #expect(try await argus.items().count == 1)

        let metrics = try await gateway.metrics()
        #expect(metrics.contains("xmidt_hecate_webhook_sns_subscribed_value{pipeline=\"\(name(metrics))\"} 1"))
        #expect(metrics.contains("xmidt_hecate_webhook_list_size_value{pipeline=\"\(name(metrics))\"} 1"))
        #expect(
            metrics.contains(
                "xmidt_hecate_webhook_sns_subscribe_attempt_count{pipeline=\"\(name(metrics))\",code=\"okay\"} 1"))
        try await checkWithPromtool(metrics)
        #expect(await gateway.stop() == 0)
        for secret in ["hunter2", "user:pass", "dXNlcjpwYXNz"] { #expect(!gateway.process.output.contains(secret)) }
        await argus.process.stop()
    }

    private func name(_ metrics: String) -> String {
        metrics.components(separatedBy: "pipeline=\"").dropFirst().first?.components(separatedBy: "\"").first ?? ""
    }

    private func checkWithPromtool(_ metrics: String) async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("metrics-\(UUID().uuidString)")
        try metrics.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let check = try ChildProcess(
            URL(fileURLWithPath: "/usr/bin/promtool"), ["check", "metrics"], name: "promtool",
            input: try FileHandle(forReadingFrom: file))
        #expect(await check.wait() == 0, "\(check.output)")
        #expect(check.output.isEmpty, "\(check.output)")
    }

    @Test func anotherEnvironmentsWebhooksAreRefused() async throws {
        let topic = try await Cluster.makeTopic()
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(topic: topic, argus: argus.url, source: ["environment: prod"])
        try await Cluster.publish(webhook("http://other/"), to: topic, environment: "dev")
        try await Cluster.publish(webhook("http://ours/"), to: topic, environment: "prod")
        try await Cluster.eventually("ours is there") { try await argus.items().count == 1 }
        try await Cluster.eventually("the other was refused") {
            try await gateway.metrics().contains(
                "notification_received_count{pipeline=\"\(name(try await gateway.metrics()))\",code=\"400\"} 1")
        }
        #expect(try await argus.items().count == 1)
        await gateway.stop()
        await argus.process.stop()
    }

    @Test func aRestartTakesOverOrReplacesTheSubscription() async throws {
        let topic = try await Cluster.makeTopic()
        let argus = try await ArgusProcess()
        let port = try FreePort.find()
        let base = "http://127.0.0.1:\(port)/api/v2/aws/sns"

        let first = try await GatewayProcess(topic: topic, argus: argus.url, port: port)
        #expect(try await Cluster.endpoints(of: topic) == [base])
        #expect(await first.stop() == 0)
        #expect(try await Cluster.endpoints(of: topic) == [base])

        let second = try await GatewayProcess(topic: topic, argus: argus.url, port: port)
        #expect(try await Cluster.endpoints(of: topic) == [base])
        await second.stop()

        let third = try await GatewayProcess(
            topic: topic, argus: argus.url, source: ["uniquePath: true", "unsubscribeOnStop: true"], port: port)
        try await Cluster.eventually("the old subscription is gone") {
            let endpoints = try await Cluster.endpoints(of: topic)
            return endpoints.count == 1 && endpoints[0].hasPrefix(base + "/")
        }
        try await Cluster.publish(webhook("http://a/"), to: topic)
        try await Cluster.eventually("the item is there") { try await argus.items().count == 1 }
        #expect(await third.stop() == 0)
        #expect(try await Cluster.endpoints(of: topic).isEmpty)
        await argus.process.stop()
    }

    @Test func itSubscribesAgainWhenTheSubscriptionHasEnded() async throws {
        let topic = try await Cluster.makeTopic()
        let argus = try await ArgusProcess()
        let gateway = try await GatewayProcess(topic: topic, argus: argus.url)
        let answer = try await Cluster.sns("ListSubscriptionsByTopic", ["TopicArn": topic])
        let arn = try #require(
            answer.components(separatedBy: "<SubscriptionArn>").dropFirst().first?.components(separatedBy: "</").first)
        try await Cluster.sns("Unsubscribe", ["SubscriptionArn": arn])
        try await Cluster.eventually("it is subscribed again") {
            let endpoints = try await Cluster.endpoints(of: topic)
            return endpoints.count == 1 && gateway.process.output.contains("has ended")
        }
        // What is published before SNS has made up its mind about the old subscription may go nowhere, so it is renewed.
        try await Cluster.eventually("the item is there") {
            try await Cluster.publish(webhook("http://a/"), to: topic)
            try await Task.sleep(for: .milliseconds(300))
            return try await argus.items().count == 1
        }
        await gateway.stop()
        await argus.process.stop()
    }

    @Test func itIsNotReadyAndTakesNothingWhileItIsNotSubscribed() async throws {
        let argus = try await ArgusProcess()
        // The topic does not exist, so that subscribing fails.
        let gateway = try await GatewayProcess(
            topic: "arn:aws:sns:us-east-1:000000000000:missing-\(UUID().uuidString)", argus: argus.url,
            source: ["verifySignature: false"],
            waits: false)
        try await Cluster.eventually("it listens") {
            await gateway.status("/health") == 200 && gateway.process.output.contains("\"listening\"")
        }
        #expect(await gateway.status("/ready") == 503)
        try await Cluster.eventually("it says that it cannot subscribe") {
            gateway.process.output.contains("subscribing failed")
        }

        #expect(await gateway.status("/ready") == 503)
        #expect(await gateway.stop() == 0)
        await argus.process.stop()
    }
}
