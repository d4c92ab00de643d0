import Foundation
import HTTP
import Telemetry
import TestSupport

/// (b) pre-signed, distinct notifications over keep-alive connections into a gateway whose sink is an Argus store, each in a
/// process of its own.
struct GatewayBenchmark {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:bench"

    let notifications: Int
    let connections: Int
    let rate: Double?
    /// Whether notifications are answered when they are on disk.
    let hasSpool: Bool

    /// What the figures are called by: those of another kind of run are no comparison.
    private var measure: String {
        "gateway\(hasSpool ? ".spool" : "")\(rate.map { ".at-\(whole($0))" } ?? "")"
    }

    func run(into results: inout [String: Double]) async throws {
        print(
            "(b) over the loopback: \(notifications) signed notifications, \(connections) connections\(hasSpool ? ", with a spool" : "")\(rate.map { ", \(whole($0))/s" } ?? "")"
        )
        let signer = try SNSSigner()
        let certificate = HTTPListener(
            address: ListenAddress("127.0.0.1:0")!, limits: HTTPLimits(bodyBytes: 0),
            logger: Logger(label: "bench") { _ in SilentLogHandler() }
        ) { _, responder in responder.respond(.text(200, signer.certificate)) }
        let listening = AsyncStream.makeStream(of: Void.self)
        let serving = Task { try await certificate.run { listening.continuation.finish() } }
        for await _ in listening.stream {}
        let certificates = "http://127.0.0.1:\(certificate.port ?? 0)/"

        let argusPort = try FreePort.find()
        let argus = try ChildProcess(
            ChildProcess.hecate, ["argus", "--listen", "127.0.0.1:\(argusPort)", "--log-level", "warning"],
            name: "argus")
        let gatewayPort = try FreePort.find()
        let operationsPort = try FreePort.find()
        let file = try pipelineFile(gatewayPort, argusPort, operationsPort, certificates)
        defer {
            for suffix in [
                "", ".spool", ".spool-wal", ".spool-shm", ".spool.lock", ".letters", ".letters-wal", ".letters-shm",
            ] {
                try? FileManager.default.removeItem(atPath: file.path + suffix)
            }
        }
        let gateway = try ChildProcess(
            ChildProcess.hecate, ["run", file.path, "--log-level", "warning"], name: "gateway")
        try Self.waitForPort(argusPort, argus)
        try Self.waitForPort(gatewayPort, gateway)
        let idleMemory = gateway.memory("VmRSS")

        let requests = try await sign(signer, certificates)
        let before = gateway.processorSeconds
        let started = ContinuousClock.now
        let report = LoadGenerator(port: gatewayPort, connections: connections, rate: rate) {
            $0 < requests.count ? requests[$0] : nil
        }.run()
        // With a spool what was answered may still be on its way. Its end is asked of the gateway: the store's list is so long that
        // asking for it again and again would be measured too.
        let deadline = ContinuousClock.now + .seconds(60)
        while hasSpool, ContinuousClock.now < deadline,
            try Connection.counter("xmidt_hecate_messages_total", "delivered", port: operationsPort) < notifications
        {
            try await Task.sleep(for: .milliseconds(20))
        }
        let seconds = hasSpool ? (ContinuousClock.now - started) / .seconds(1) : report.seconds
        let stored = try Self.count(argusPort)
        let processor = gateway.processorSeconds - before

        let latencies = report.latencies.sorted()
        let okay = report.statuses[200] ?? 0
        let values = [
            ("acceptedPerSecond", Double(okay) / report.seconds), ("storedPerSecond", Double(stored) / seconds),
            ("answered200", Double(okay)), ("stored", Double(stored)), ("lost", Double(okay - stored)),
            ("p50Milliseconds", percentile(latencies, 0.5)), ("p99Milliseconds", percentile(latencies, 0.99)),
            ("gatewayProcessorSeconds", processor), ("gatewayPeakMegabytes", Double(gateway.memory("VmHWM")) / 1e6),
            ("gatewayIdleMegabytes", Double(idleMemory) / 1e6),
        ]
        for (name, value) in values {
            row(name, name.hasSuffix("econds") ? String(format: "%.2f", value) : whole(value))
            results["\(measure).\(name)"] = value
        }
        for (status, count) in report.statuses.sorted(by: { $0.key < $1.key }) where status != 200 {
            row(status == 0 ? "failed connections" : "answered \(status)", "\(count)")
        }
        await gateway.stop()
        await argus.stop()
        await certificate.stop()
        try await serving.value
        guard okay == stored, okay == notifications else {
            throw BenchError(
                "\(notifications) sent, \(okay) answered 200, \(stored) stored; the gateway says:\n\(gateway.output.suffix(2000))"
            )
        }
    }

    private func pipelineFile(
        _ gatewayPort: Int, _ argusPort: Int, _ operationsPort: Int, _ certificates: String
    ) throws -> URL {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID().uuidString).yaml")
        let durability = """
            spool: {path: \(file.path).spool}
            deadLetters: {sqlite: {path: \(file.path).letters}}
            operations: {metrics: "127.0.0.1:\(operationsPort)"}
            """
        try """
        source:
          sns:
            topicArn: \(Self.topic)
            subscribe: false
            listen: "127.0.0.1:\(gatewayPort)"
            trustedCertificateURLs: ["\(certificates)"]
        stages:
          - transform: {argus-item: {}}
        sink:
          argus: {address: "http://127.0.0.1:\(argusPort)"}
        \(hasSpool ? durability : "")
        """.write(to: file, atomically: true, encoding: .utf8)
        return file
    }

    /// All requests, signed on all processors before anything is measured.
    private func sign(_ signer: SNSSigner, _ certificates: String) async throws -> [[UInt8]] {
        let until = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 3600))
        let now = ISO8601DateFormatter().string(from: Date())
        return try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            for index in 0..<notifications {
                group.addTask {
                    var envelope = SNSSigner.Envelope()
                    envelope.topic = Self.topic
                    envelope.subject = "new webhook"
                    envelope.timestamp = now
                    envelope.certURL = "\(certificates)cert.pem"
                    envelope.attributes = ["scytale.env": "bench"]
                    envelope.message = """
                        {"config":{"url":"http://bench.example/hook/\(index)","content_type":"application/json","secret":"secret"},\
                        "failure_url":"","events":["device-status/mac:112233445566/online"],"matcher":{"device_id":["mac:112233445566"]},\
                        "duration":3600000000000,"until":"\(until)","registered_from_address":"192.0.2.1"}
                        """
                    let body = try signer.sign(envelope)
                    let head = """
                        POST /api/v2/aws/sns HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain; charset=UTF-8\r\n\
                        User-Agent: Amazon Simple Notification Service Agent\r\nx-amz-sns-message-type: Notification\r\n\
                        x-amz-sns-message-id: \(envelope.id)\r\nx-amz-sns-topic-arn: \(Self.topic)\r\nContent-Length: \(body.count)\r\n\r\n
                        """
                    return (index, Array(head.utf8) + Array(body))
                }
            }
            var requests = [[UInt8]](repeating: [], count: notifications)
            for try await (index, request) in group { requests[index] = request }
            return requests
        }
    }

    static func waitForPort(_ port: Int, _ process: ChildProcess) throws {
        for _ in 0..<500 {
            if let connection = Connection(port: port) {
                connection.close()
                return
            }
            guard process.isRunning else { throw BenchError("a process has ended:\n\(process.output)") }
            usleep(20_000)
        }
        throw BenchError("nothing listens on port \(port):\n\(process.output)")
    }

    /// How many items the store has.
    static func count(_ port: Int) throws -> Int {
        (try JSONSerialization.jsonObject(with: Connection.get("/api/v1/store/webhooks", port: port).body) as? [Any])?
            .count ?? 0
    }

    private func percentile(_ sorted: [Double], _ share: Double) -> Double {
        sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
}
