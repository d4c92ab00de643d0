import Foundation
import TestSupport

/// (f) a spool that fills while Argus is down and empties when it is back: what a message costs the gateway at each length of the
/// backlog.
struct BacklogBenchmark {
    private static let steps = 10

    let messages: Int

    func run(into results: inout [String: Double]) async throws {
        print("(f) a backlog of \(messages) messages; microseconds of processor time a message, each tenth of them")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("backlog-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (argusPort, operationsPort) = (try FreePort.find(), try FreePort.find())
        let file = folder.appendingPathComponent("backlog.yaml").path
        try """
        source: {generate: {count: \(messages)}}
        stages: [{transform: {argus-item: {}}}]
        sink: {argus: {address: "http://127.0.0.1:\(argusPort)"}}
        spool: {path: \(folder.path)/spool.sqlite, maxBytes: 8GiB}
        deadLetters: {sqlite: {path: \(folder.path)/letters.sqlite}}
        operations: {metrics: "127.0.0.1:\(operationsPort)"}
        """.write(toFile: file, atomically: true, encoding: .utf8)
        let gateway = try ChildProcess(ChildProcess.hecate, ["run", file, "--log-level", "error"], name: "backlog")
        try GatewayBenchmark.waitForPort(operationsPort, gateway)

        show(
            "while it grows",
            try await costs(gateway) {
                try Connection.counter("xmidt_hecate_spooled_total", "stored", port: operationsPort)
            }, "backlog.growing", into: &results)
        let argus = try ChildProcess(
            ChildProcess.hecate, ["argus", "--listen", "127.0.0.1:\(argusPort)", "--log-level", "warning"],
            name: "argus")
        show(
            "while it shrinks",
            try await costs(gateway) {
                try Connection.counter("xmidt_hecate_messages_total", "delivered", port: operationsPort)
            }, "backlog.shrinking", into: &results)
        let status = await gateway.wait()
        let stored = try GatewayBenchmark.count(argusPort)
        await argus.stop()
        guard status == 0, stored == messages else {
            throw BenchError(
                "exit status \(status), \(stored) of \(messages) are in the store:\n\(gateway.output.suffix(1000))")
        }
    }

    /// Microseconds of processor time for each message of each tenth, and the most memory so far, in megabytes.
    private struct Costs {
        var tenths: [Double] = []
        var peak = 0.0
    }

    private func show(_ title: String, _ costs: Costs, _ name: String, into results: inout [String: Double]) {
        row(title, costs.tenths.map { String(format: "%.1f", $0) }.joined(separator: " "))
        row("... peak memory, MB", whole(costs.peak))
        results["\(name).Seconds"] = costs.tenths.reduce(0, +) / Double(costs.tenths.count) * Double(messages) / 1e6
        results["\(name).Megabytes"] = costs.peak
    }

    /// Follows a count until all messages have come, or the gateway has ended because all are delivered.
    private func costs(_ gateway: ChildProcess, _ count: () throws -> Int) async throws -> Costs {
        var costs = Costs()
        var last = (count: 0, processor: gateway.processorSeconds)
        while last.count < messages, gateway.isRunning {
            try await Task.sleep(for: .milliseconds(50))
            guard let count = try? count() else { continue }
            let processor = gateway.processorSeconds
            costs.peak = max(costs.peak, Double(gateway.memory("VmHWM")) / 1e6)
            let step = count - last.count
            guard processor > 0, step > 0, step >= messages / Self.steps || count >= messages else { continue }
            costs.tenths.append((processor - last.processor) / Double(step) * 1e6)
            last = (count, processor)
        }
        return costs
    }
}
