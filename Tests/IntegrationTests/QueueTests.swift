import Foundation
import TestSupport
import Testing

/// Queues and topics against a real SNS and SQS (LocalStack).
@Suite(.enabled(if: Cluster.isThere)) struct QueueTests {
    /// A queue of its own, perhaps subscribed to a topic.
    private struct Queue {
        let url: String
        let arn: String

        init(topic: String? = nil) async throws {
            let name = "q-\(UUID().uuidString.lowercased())"
            arn = "arn:aws:sqs:us-east-1:000000000000:\(name)"
            let answer = try await Self.call("CreateQueue", ["QueueName": name])
            url = try #require(answer["QueueUrl"] as? String)
            if let topic {
                try await Cluster.sns("Subscribe", ["TopicArn": topic, "Protocol": "sqs", "Endpoint": arn])
            }
        }

        static func call(_ action: String, _ parameters: [String: Any]) async throws -> [String: Any] {
            let (status, _, body) = try await Cluster.request(
                "POST", "\(Cluster.sns)/",
                headers: [
                    "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.\(action)",
                    "Authorization":
                        "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=x",
                ], body: try JSONSerialization.data(withJSONObject: parameters))
            guard status == 200 else {
                throw Cluster.Failure("\(action): \(status) \(String(decoding: body, as: UTF8.self))")
            }
            return (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:]
        }

        /// How many messages wait, and how many are with somebody.
        func depth() async throws -> (waiting: Int, taken: Int) {
            let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            let answer = try await Self.call("GetQueueAttributes", ["QueueUrl": url, "AttributeNames": names])
            let attributes = answer["Attributes"] as? [String: String] ?? [:]
            return (Int(attributes[names[0]] ?? "") ?? -1, Int(attributes[names[1]] ?? "") ?? -1)
        }

        func send(_ body: String) async throws {
            _ = try await Self.call("SendMessage", ["QueueUrl": url, "MessageBody": body])
        }

        func receive() async throws -> [[String: Any]] {
            let answer = try await Self.call(
                "ReceiveMessage",
                ["QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "WaitTimeSeconds": 1])
            return answer["Messages"] as? [[String: Any]] ?? []
        }
    }

    private static let access =
        "endpoint: \(Cluster.sns), region: us-east-1, credentials: {accessKeyID: key, secretAccessKey: hunter2}"

    /// Runs pipelines, each a text, in one process.
    private func run(_ texts: [String]) async throws -> (process: ChildProcess, files: [URL]) {
        let files = try texts.map { text in
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("queue-\(UUID().uuidString).yaml")
            try text.write(to: file, atomically: true, encoding: .utf8)
            return file
        }
        return (
            try ChildProcess(ChildProcess.hecate, ["run", "--log-level", "debug"] + files.map(\.path), name: "queue"),
            files
        )
    }

    private func fromQueue(_ queue: Queue, _ argus: String, visibility: String = "3s") -> String {
        """
        source:
          sqs: {queueURL: \(queue.url), wait: 1s, visibility: \(visibility), \(Self.access),
            trustedCertificateURLs: ["\(Cluster.sns)/_aws/sns/"]}
        stages: [{transform: {argus-item: {owner: Argus, ownerPattern: "^.{4,60}$"}}}]
        sink: {argus: {address: "\(argus)", auth: {basic: "user:pass"}, timeout: 60s}}
        """
    }

    @Test func whatIsPublishedReachesArgusThroughAQueueThatTwoGatewaysShare() async throws {
        let topic = try await Cluster.makeTopic()
        let queue = try await Queue(topic: topic)
        let argus = try await ArgusProcess()
        let first = try await run([fromQueue(queue, argus.url)])
        let second = try await run([fromQueue(queue, argus.url)])
        for number in 0..<60 { try await Cluster.publish(webhook("http://q-\(number).example/"), to: topic) }
        // One of them dies with what it holds: that comes again, to the other.
        first.process.send(SIGKILL)
        try await Cluster.eventually(
            "all are stored; the second says \(second.process.output.suffix(2000))"
        ) {
            try await argus.items().count == 60
        }
        try await Cluster.eventually("the queue is empty") {
            let depth = try await queue.depth()
            return depth.waiting == 0 && depth.taken == 0
        }
        #expect(await second.process.stop() == 0)
        #expect(!second.process.output.contains("hunter2"))
        await argus.process.stop()
    }

    /// Scaled out: nothing is shared but the queue. Two of four die under load with what they hold.
    @Test func fourGatewaysOnOneQueueLoseNothingAndKeepTheNewest() async throws {
        let topic = try await Cluster.makeTopic()
        let queue = try await Queue(topic: topic)
        let argus = try await ArgusProcess()
        let text = fromQueue(queue, argus.url).replacingOccurrences(
            of: "timeout: 60s", with: "timeout: 60s, conflict: newest")
        var gateways: [ChildProcess] = []
        for _ in 0..<4 { gateways.append(try await run([text]).process) }
        // Every webhook is registered four times, each time for longer.
        let webhooks = 40, rounds = 4
        for round in 1...rounds {
            for number in 0..<webhooks {
                try await Cluster.publish(webhook("http://s-\(number).example/", lives: 3000 + round * 1000), to: topic)
                if number == webhooks / 2, round == 2 || round == 3 { gateways[round].send(SIGKILL) }
            }
        }
        try await Cluster.eventually("the queue is empty") {
            let depth = try await queue.depth()
            return depth.waiting == 0 && depth.taken == 0
        }
        let items = try await argus.items()
        #expect(items.count == webhooks)
        let newest = items.filter { ($0["ttl"] as? Int ?? 0) > 3000 + (rounds - 1) * 1000 }
        #expect(newest.count == webhooks, "an older registration has replaced a newer one")
        for survivor in gateways.prefix(2) { #expect(await survivor.stop() == 0) }
        await argus.process.stop()
    }

    @Test func rawMessagesAreTakenAndWhatIsRefusedIsLeftToTheQueue() async throws {
        let queue = try await Queue()
        let argus = try await ArgusProcess()
        let gateway = try await run([fromQueue(queue, argus.url)])
        try await queue.send(webhook("http://raw.example/"))
        try await queue.send("no webhook")
        try await Cluster.eventually("the good one is stored") { try await argus.items().count == 1 }
        try await Cluster.eventually("the bad one was refused") {
            gateway.process.output.contains("stays in the queue for its redrive policy")
        }
        let depth = try await queue.depth()
        #expect(depth.waiting + depth.taken == 1)
        #expect(await gateway.process.stop() == 0)
        await argus.process.stop()
    }

    @Test func whatIsForgedIsNotWritten() async throws {
        let queue = try await Queue()
        let argus = try await ArgusProcess()
        let gateway = try await run([fromQueue(queue, argus.url)])
        var envelope = SNSSigner.Envelope()
        envelope.message = webhook("http://forged.example/")
        envelope.certURL = "\(Cluster.sns)/nowhere/cert.pem"
        try await queue.send(String(decoding: try SNSSigner().sign(envelope), as: UTF8.self))
        try await Cluster.eventually("it was refused; it says \(gateway.process.output.suffix(2000))") {
            gateway.process.output.contains("stays in the queue for its redrive policy")
        }
        #expect(try await argus.items().isEmpty)
        await gateway.process.stop()
        await argus.process.stop()
    }

    @Test func aMessageIsKeptFromOthersForAsLongAsItIsInside() async throws {
        let queue = try await Queue()
        let argus = try await ArgusProcess()
        let proxy = try FaultProxy(target: argus.port)
        proxy.set(.stall)
        let gateway = try await run([
            fromQueue(queue, proxy.url, visibility: "8s").replacingOccurrences(of: "timeout: 60s", with: "timeout: 10m")
        ])
        try await queue.send(webhook("http://slow.example/"))
        try await Cluster.eventually("it was taken") { try await queue.depth().taken == 1 }
        // Twice the visibility timeout: without being prolonged it would be visible again.
        for _ in 0..<32 {
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await queue.depth().waiting == 0)
        }
        gateway.process.send(SIGKILL)
        await gateway.process.wait()
        await argus.process.stop()
        proxy.close()
    }

    @Test func aRegistrationGoesFromHTTPOverATopicAndAQueueIntoArgus() async throws {
        let topic = try await Cluster.makeTopic()
        let queue = try await Queue(topic: topic)
        let argus = try await ArgusProcess()
        let port = try FreePort.find()
        let gateway = try await run([
            """
            pipeline: registrations
            source: {http: {listen: "127.0.0.1:\(port)", path: /api/v2/hook, basic: "user:pass"}}
            stages: [{transform: webhook-registration}]
            sink:
              sns: {topicArn: "\(topic)", subject: new webhook, attributes: {scytale.env: test}, \(Self.access)}
            """, fromQueue(queue, argus.url),
        ])
        let url = "http://127.0.0.1:\(port)/api/v2/hook"
        let registration = Data(#"{"config":{"url":"http://posted.example/"},"events":["e"]}"#.utf8)
        let basic = ["Authorization": "Basic dXNlcjpwYXNz"]
        try await Cluster.eventually("it listens") {
            (try? await Cluster.request("POST", url, body: registration).status) == 401
        }
        #expect(try await Cluster.request("POST", url, headers: basic, body: registration).status == 200)
        #expect(try await Cluster.request("POST", url, headers: basic, body: Data("{}".utf8)).status == 400)
        try await Cluster.eventually("it is stored") { try await argus.items().count == 1 }
        let item = try await argus.items()[0]
        let record = (item["data"] as? [String: Any])?["Webhook"] as? [String: Any]
        #expect(record?["registered_from_address"] as? String == "127.0.0.1")
        #expect(await gateway.process.stop() == 0)
        await argus.process.stop()
    }

    @Test func aSinkSendsToAQueueWithAttributes() async throws {
        let queue = try await Queue()
        let gateway = try await run([
            """
            source: {generate: {count: 25, template: '{"n":{n}}', key: "{n}"}}
            stages: [{transform: {map: {attributes: {number: "{n}"}}}}]
            sink: {sqs: {queueURL: \(queue.url), \(Self.access)}}
            """
        ])
        #expect(await gateway.process.wait() == 0, "\(gateway.process.output)")
        var bodies: [String] = []
        try await Cluster.eventually("all are there") {
            for message in try await queue.receive() {
                let body = try #require(message["Body"] as? String)
                let attributes = message["MessageAttributes"] as? [String: [String: Any]]
                #expect(attributes?["number"]?["StringValue"] as? String == body.filter(\.isNumber))
                bodies.append(body)
            }
            return Set(bodies).count == 25
        }
    }

    @Test func connectingIsTriedAgainstWhatIsThere() async throws {
        let topic = try await Cluster.makeTopic()
        let queue = try await Queue()
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("connect-\(UUID().uuidString).yaml")
        for (queueURL, status) in [(queue.url, Int32(0)), (queue.url + "-nope", 1)] {
            try """
            source: {sqs: {queueURL: \(queueURL), \(Self.access)}}
            sink: {sns: {topicArn: "\(topic)", \(Self.access)}}
            """.write(to: file, atomically: true, encoding: .utf8)
            let look = try ChildProcess(ChildProcess.hecate, ["validate", "--connect", file.path], name: "connect")
            #expect(await look.wait() == status, "\(look.output)")
            #expect(look.output.contains("sink sns: the topic exists"))
        }
    }
}
