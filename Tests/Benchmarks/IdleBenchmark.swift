import Foundation
import TestSupport

/// (g) a gateway that has nothing to do: how soon it is ready, and what memory it keeps.
struct IdleBenchmark {
    /// How long after the start memory is looked at: what only starting needed has been given back by then.
    private static let settling = Duration.seconds(4)

    let program: URL
    let rounds: Int

    func run(into results: inout [String: Double]) async throws {
        print("(g) idle: \(program.path), median of \(rounds) starts")
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("idle-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        var starts: [Double] = []
        for round in 1...rounds {
            let (port, operationsPort) = (try FreePort.find(), try FreePort.find())
            try """
            operations: {metrics: "127.0.0.1:\(operationsPort)", health: "127.0.0.1:\(operationsPort)"}
            source:
              sns:
                topicArn: arn:aws:sns:us-east-1:000000000000:idle
                subscribe: false
                listen: "127.0.0.1:\(port)"
            stages: [{transform: {argus-item: {}}}]
            sink: {argus: {address: "http://127.0.0.1:9"}}
            """.write(to: file, atomically: true, encoding: .utf8)
            let started = ContinuousClock.now
            let gateway = try ChildProcess(program, ["run", file.path, "--log-level", "error"], name: "idle")
            while (try? Connection.get("/ready", port: operationsPort).status) != 200 {
                guard gateway.isRunning, ContinuousClock.now - started < .seconds(30) else {
                    throw BenchError("it does not become ready:\n\(gateway.output.suffix(1000))")
                }
                usleep(200)
            }
            starts.append((ContinuousClock.now - started) / .milliseconds(1))
            if round == rounds {
                try await Task.sleep(for: Self.settling)
                show("memory, MB", "idle", gateway, into: &results)
                _ = try Connection.get("/metrics", port: operationsPort)
                show("memory after a scrape, MB", "idle.scraped", gateway, into: &results)
            }
            await gateway.stop()
        }
        let start = starts.sorted()[starts.count / 2]
        row("from the start to ready, ms", String(format: "%.1f", start))
        results["idle.startMilliseconds"] = start
    }

    private func show(_ title: String, _ name: String, _ gateway: ChildProcess, into results: inout [String: Double]) {
        let megabytes = Double(gateway.memory("VmRSS")) / 1e6
        row(title, String(format: "%.1f", megabytes))
        results["\(name).Megabytes"] = megabytes
    }
}
