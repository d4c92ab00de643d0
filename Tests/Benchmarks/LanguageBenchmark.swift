import Foundation
import Logging
import PipelineFile
import PipelineKit
import Stages

/// (c) many rules with long lists in front of a pipeline, and (d) a long pipeline file, loaded and validated.
struct LanguageBenchmark {
    let messages: Int
    let rounds: Int

    private static let rules = 200
    private static let hosts = 10_000
    private static let lines = 10_000

    func run(into results: inout [String: Double]) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        print("(c) \(Self.rules) match rules with lists of \(Self.hosts) hosts, one lane; median of \(rounds)")
        let rate = try await median { try await filters(folder) }
        row("messages/s", whole(rate))
        results["filters.messagesPerSecond"] = rate
        print("(d) a pipeline file of \(Self.lines) lines, loaded and validated; median of \(rounds)")
        let seconds = try await median { try load(folder) }
        row("milliseconds", String(format: "%.0f", seconds * 1000))
        results["yaml.loadMilliseconds"] = seconds * 1000
    }

    private func median(_ measure: () async throws -> Double) async throws -> Double {
        var values: [Double] = []
        for _ in 0..<rounds { values.append(try await measure()) }
        return values.sorted()[values.count / 2]
    }

    /// No rule but the last holds, so that all are looked at.
    private func filters(_ folder: String) async throws -> Double {
        let list = (0..<Self.hosts).map { $0 % 10 == 0 ? "*.domain-\($0).example" : "host-\($0).example" }
        try list.joined(separator: "\n").write(toFile: "\(folder)/hosts.txt", atomically: true, encoding: .utf8)
        let rule = "            - {field: config.url, host: {file: hosts.txt}}\n"
        let path = "\(folder)/filters.yaml"
        try """
        lanes: 1
        source: {generate: {count: \(messages)}}
        stages:
          - filter:
              match:
                any:
        \(String(repeating: rule, count: Self.rules - 1))            - {field: config.url, host: generated.example}
          - transform: {argus-item: {}}
        sink: drop
        """.write(toFile: path, atomically: true, encoding: .utf8)
        return try await BenchPipeline.messagesPerSecond(path, expected: messages)
    }

    private func load(_ folder: String) throws -> Double {
        var text = "source: stdin\nsink: drop\nstages:\n"
        for number in 0..<(Self.lines - 3) / 5 {
            text += """
                  - name: stage-\(number)
                    filter:
                      match:
                        field: config.url
                        host: host-\(number).example

                """
        }
        let path = "\(folder)/long.yaml"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let started = ContinuousClock.now
        _ = try BenchPipeline.build(path)
        return (ContinuousClock.now - started) / .seconds(1)
    }
}

/// Pipelines of files, for measuring.
enum BenchPipeline {
    static func build(_ path: String) throws -> Pipeline {
        var (files, report) = PipelineFile.load([path], registry: .standard)
        let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        guard let pipeline = files.first?.pipeline.build(logger: logger, &report.diagnostics) else {
            throw BenchError(report.description)
        }
        return pipeline
    }

    /// Runs a pipeline to its end; all of its messages have to be delivered.
    static func messagesPerSecond(_ path: String, expected: Int) async throws -> Double {
        let pipeline = try build(path)
        let started = ContinuousClock.now
        try await pipeline.run()
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        guard pipeline.counts == ["delivered": expected] else {
            throw BenchError("not all were delivered: \(pipeline.counts)")
        }
        return Double(expected) / seconds
    }
}
