import Foundation
import PipelineKit

/// (a) generate, match, argus-item, drop in one process: messages a second on one lane and on all.
struct InProcessBenchmark {
    let messages: Int
    let rounds: Int

    func run(into results: inout [String: Double]) async throws {
        print("(a) in process: generate, match, argus-item, drop; \(messages) messages, median of \(rounds)")
        let all = availableProcessors()
        // Taken in turn, so that what disturbs the machine disturbs all alike.
        var rates: [Int: [Double]] = [:]
        for _ in 0..<rounds {
            for lanes in Set([1, all]).sorted() { rates[lanes, default: []].append(try await measure(lanes: lanes)) }
        }
        let medians = rates.mapValues { $0.sorted()[$0.count / 2] }
        for (lanes, rate) in medians.sorted(by: { $0.key < $1.key }) {
            row("messages/s, \(lanes) lane\(lanes == 1 ? "" : "s")", whole(rate))
            results["in-process.lanes-\(lanes).messagesPerSecond"] = rate
        }
        if let one = medians[1], let many = medians[all], all > 1 {
            row("\(all) lanes over 1", String(format: "%.2f", many / one))
        }
    }

    private func measure(lanes: Int) async throws -> Double {
        let text = """
            lanes: \(lanes)
            source: {generate: {count: \(messages)}}
            stages:
              - filter: {match: {field: config.url, host: ["*.example"]}}
              - transform: {argus-item: {}}
            sink: drop
            """
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID().uuidString).yaml").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await BenchPipeline.messagesPerSecond(path, expected: messages)
    }
}

/// Why there is no figure.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
