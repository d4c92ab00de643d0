import Foundation
import TestSupport

/// A gateway with a spool under a steady load for a long time: its memory has to stay flat, and no descriptor may leak.
struct SoakBenchmark {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:soak"
    /// How much more memory the last quarter may show than the second, beyond noise.
    private static let toleratedGrowth = 1.1

    let minutes: Double
    let rate: Double

    /// Until the spool remembers as many ids as it ever does, its memory grows: 100,000, or those of a quarter of an hour.
    private var warmUp: Double { min(100_000 / rate, 900) }

    func run(into results: inout [String: Double]) async throws {
        guard minutes * 60 / 4 >= warmUp else {
            throw BenchError(
                "too short to say anything: at \(whole(rate))/s --minutes has to be \(whole((warmUp * 4 / 60).rounded(.up))) at least"
            )
        }
        print("soak: \(whole(rate)) notifications/s for \(minutes) minutes, with a spool")
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("soak-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let argusPort = try FreePort.find()
        let argus = try ChildProcess(
            ChildProcess.hecate, ["argus", "--listen", "127.0.0.1:\(argusPort)", "--log-level", "warning"],
            name: "argus")
        let port = try FreePort.find()
        let file = directory.appendingPathComponent("soak.yaml")
        try """
        source:
          sns: {topicArn: "\(Self.topic)", subscribe: false, verifySignature: false, listen: "127.0.0.1:\(port)"}
        stages: [{transform: {argus-item: {}}}]
        sink: {argus: {address: "http://127.0.0.1:\(argusPort)"}}
        spool: {path: \(directory.path)/spool.sqlite}
        deadLetters: {sqlite: {path: \(directory.path)/letters.sqlite}}
        """.write(to: file, atomically: true, encoding: .utf8)
        let gateway = try ChildProcess(ChildProcess.hecate, ["run", file.path, "--log-level", "warning"], name: "soak")
        try GatewayBenchmark.waitForPort(argusPort, argus)
        try GatewayBenchmark.waitForPort(port, gateway)

        let total = Int(minutes * 60 * rate)
        let samples = Protected<[(memory: Int, descriptors: Int)]>([])
        let sampler = Task {
            let pause = max(1, minutes * 60 / 120)
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(pause))
                let descriptors =
                    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(gateway.id)/fd").count) ?? 0
                samples.with { $0.append((gateway.memory("VmRSS"), descriptors)) }
            }
        }
        let generator = LoadGenerator(port: port, connections: 16, rate: rate) { index in
            index < total ? request(index) : nil
        }
        let report = await Task.detached { generator.run() }.value
        sampler.cancel()
        let taken = samples.with { $0 }
        let status = await gateway.stop()
        await argus.stop()
        guard report.statuses == [200: total], status == 0 else {
            throw BenchError("answers \(report.statuses), exit status \(status): \(gateway.output.suffix(1000))")
        }
        guard taken.count >= 8 else { throw BenchError("too short a time to say anything: \(taken.count) samples") }
        func median(_ values: ArraySlice<Int>) -> Double { Double(values.sorted()[values.count / 2]) }
        let quarter = taken.count / 4
        let early = median(taken.map(\.memory)[quarter..<2 * quarter])
        let late = median(taken.map(\.memory)[(3 * quarter)...])
        // The fewest of a quarter: how many connections are in use at a moment depends on what else the machine does.
        func fewest(_ samples: ArraySlice<(memory: Int, descriptors: Int)>) -> Int {
            samples.map(\.descriptors).min() ?? 0
        }
        let (firstDescriptors, lastDescriptors) = (
            fewest(taken[quarter..<2 * quarter]), fewest(taken[(3 * quarter)...])
        )
        for (name, value) in [
            ("megabytes in the second quarter", early / 1e6), ("megabytes in the last quarter", late / 1e6),
            ("descriptors in the second quarter", Double(firstDescriptors)),
            ("descriptors in the last quarter", Double(lastDescriptors)),
        ] {
            row(name, String(format: "%.1f", value))
            results["soak.\(name)"] = value
        }
        guard late <= early * Self.toleratedGrowth else { throw BenchError("memory grows") }
        guard lastDescriptors <= firstDescriptors + 2 else { throw BenchError("descriptors leak") }
    }

    /// A hundred webhooks, renewed again and again.
    private func request(_ index: Int) -> [UInt8] {
        let until = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 3600))
        let now = ISO8601DateFormatter().string(from: Date())
        let body = """
            {"Type":"Notification","MessageId":"soak-\(index)","TopicArn":"\(Self.topic)","Timestamp":"\(now)",\
            "Message":"{\\"config\\":{\\"url\\":\\"http://soak.example/\(index % 100)\\"},\\"events\\":[\\"e\\"],\\"duration\\":3600000000000,\\"until\\":\\"\(until)\\"}"}
            """
        return Array(
            "POST /api/v2/aws/sns HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8
        )
    }
}
