import Foundation
import HTTP
import TestServers
import TestSupport

/// (e) a queue that is full already, emptied into one store by 1, 2 and 4 gateways, each a process of its own.
struct QueueBenchmark {
    /// An SQS, such as LocalStack's; `Tests/run` and `deploy/local/cluster` start one.
    let service: String
    let messages: Int

    func run(into results: inout [String: Double]) async throws {
        print("(e) \(messages) messages of a queue of \(service)")
        for gateways in [1, 2, 4] {
            let rate = try await measure(gateways)
            row("\(gateways) \(gateways == 1 ? "gateway" : "gateways"), stored/s", whole(rate))
            results["queue.\(gateways)"] = rate
        }
    }

    private func measure(_ count: Int) async throws -> Double {
        let name = "bench-\(UUID().uuidString.lowercased())"
        let queue = try await call("CreateQueue", ["QueueName": name])["QueueUrl"] as? String ?? ""
        for start in stride(from: 0, to: messages, by: 10) {
            let entries = (start..<min(start + 10, messages)).map { number in
                [
                    "Id": "\(number)",
                    "MessageBody": #"{"config":{"url":"http://q\#(number).example/"},"events":["e"],"duration":300}"#,
                ]
            }
            _ = try await call("SendMessageBatch", ["QueueUrl": queue, "Entries": entries])
        }
        let argusPort = try FreePort.find()
        let argus = try ChildProcess(
            ChildProcess.hecate, ["argus", "--listen", "127.0.0.1:\(argusPort)", "--log-level", "warning"],
            name: "argus")
        try GatewayBenchmark.waitForPort(argusPort, argus)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(name).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try """
        source:
          sqs: {queueURL: "\(queue)", form: raw, endpoint: "\(service)", region: us-east-1,
            credentials: {accessKeyID: key, secretAccessKey: secret}}
        stages: [{transform: {argus-item: {}}}]
        sink: {argus: {address: "http://127.0.0.1:\(argusPort)", conflict: newest}}
        """.write(to: file, atomically: true, encoding: .utf8)
        let gateways = try (0..<count).map { _ in
            try ChildProcess(ChildProcess.hecate, ["run", file.path, "--log-level", "warning"], name: "gateway")
        }
        var begun: ContinuousClock.Instant?
        let deadline = ContinuousClock.now + .seconds(300)
        var stored = 0
        while stored < messages {
            stored = try GatewayBenchmark.count(argusPort)
            if stored > 0, begun == nil { begun = .now }
            guard ContinuousClock.now < deadline else {
                throw BenchError(
                    "only \(stored) of \(messages) are stored; a gateway says: \(gateways[0].output.suffix(1000))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        let seconds = (ContinuousClock.now - (begun ?? .now)) / .seconds(1)
        for gateway in gateways { await gateway.stop() }
        await argus.stop()
        _ = try await call("DeleteQueue", ["QueueUrl": queue])
        return Double(messages) / max(seconds, 0.05)
    }

    private func call(_ action: String, _ parameters: [String: Any]) async throws -> [String: Any] {
        let response = try await HTTPClient.once(
            "POST", "\(service)/",
            headers: [
                "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.\(action)",
                "Authorization":
                    "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=x",
            ], body: Array(try JSONSerialization.data(withJSONObject: parameters)))
        guard response.status == 200 else { throw BenchError("\(action): \(response.status)") }
        return (try? JSONSerialization.jsonObject(with: Data(response.body))) as? [String: Any] ?? [:]
    }
}
