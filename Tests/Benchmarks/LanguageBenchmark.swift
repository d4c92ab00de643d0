import Foundation
import PipelineFile
import PipelineKit
import Stages
import Telemetry

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
        print("(c) \(Self.rules) match rules, each with a list of \(Self.hosts) hosts, one lane; median of \(rounds)")
        for number in 0..<Self.rules {
            let list = (0..<Self.hosts).map {
                $0 % 10 == 0 ? "*.domain-\(number)-\($0).example" : "host-\(number)-\($0).example"
            }
            try list.joined(separator: "\n").write(toFile: "\(folder)/\(number).txt", atomically: true, encoding: .utf8)
        }
        let one = try await median { try await alternatives(folder) }
        row("messages/s, alternatives of one filter", whole(one))
        results["filters.messagesPerSecond"] = one
        let many = try await median { try await filters(folder) }
        row("messages/s, a filter each", whole(many))
        results["filters.inARow.messagesPerSecond"] = many
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

    /// A record whose host no list names, another for each message.
    private static let template = """
        {"config":{"url":"http://host-{n}.generated.example/hook","content_type":"application/json"},"failure_url":"",\
        "events":["device-status"],"matcher":{"device_id":[".*"]},"duration":3600000000000,"until":"{until}",\
        "registered_from_address":"192.0.2.1"}
        """

    /// No rule but the last holds, so that all are looked at.
    private func alternatives(_ folder: String) async throws -> Double {
        let rules = (1..<Self.rules).map { "            - {field: config.url, host: {file: \($0).txt}}\n" }
        return try await run(
            """
              - filter:
                  match:
                    any:
            \(rules.joined())            - {field: config.url, host: "*.generated.example"}
            """, folder)
    }

    /// None stops the message, so that all are looked at.
    private func filters(_ folder: String) async throws -> Double {
        let filters = (0..<Self.rules).map { number in
            """
              - name: not-those-of-\(number)
                filter: {match: {not: {field: config.url, host: {file: \(number).txt}}}}

            """
        }
        return try await run(filters.joined(), folder)
    }

    private func run(_ stages: String, _ folder: String) async throws -> Double {
        let path = "\(folder)/filters.yaml"
        try """
        lanes: 1
        source: {generate: {count: \(messages), template: '\(Self.template)'}}
        stages:
        \(stages)
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
        let logger = Logger(label: "bench") { _ in SilentLogHandler() }
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
