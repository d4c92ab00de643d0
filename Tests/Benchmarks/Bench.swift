import ArgumentParser
import Foundation

/// Measures the gateway: inside one process, and over the loopback as SNS and Argus see it.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hecate-bench",
        abstract:
            "Measure the gateway in process (a), over the loopback (b), and its language (c, d). Prints a table, and JSON with --json.",
        discussion: "Build it for release: swift run -c release hecate-bench")

    enum Part: String, ExpressibleByArgument, CaseIterable {
        case inProcess = "in-process", language, gateway, all, queue, soak
    }

    @Argument(help: "What to measure: in-process, language, gateway, all (of these), queue or soak.") var part = Part
        .all
    @Option(help: "Messages for (a).") var generated = 300_000
    @Option(help: "Distinct notifications for (b).") var notifications = 20_000
    @Option(help: "Keep-alive connections for (b).") var connections = 32
    @Option(help: "Notifications a second for (b); as fast as they are answered if left out.") var rate: Double?
    @Flag(help: "Give the gateway of (b) a spool.") var spool = false
    @Option(help: "The SQS of (e), such as LocalStack's.") var queueService = "http://127.0.0.1:4100"
    @Option(help: "Messages for (e).") var queued = 3000
    @Option(help: "How long to soak, in minutes.") var minutes = 30.0
    @Option(help: "Rounds of (a), (c) and (d), of which the median counts.") var rounds = 3
    @Option(help: ArgumentHelp("A file for the results as JSON; - for standard output.", valueName: "file")) var json:
        String?

    func run() async throws {
        var results: [String: Double] = [:]
        if part == .soak {
            try await SoakBenchmark(minutes: minutes, rate: rate ?? 500).run(into: &results)
            return try write(results)
        }
        if part == .queue {
            try await QueueBenchmark(service: queueService, messages: queued).run(into: &results)
        }
        if part == .inProcess || part == .all {
            try await InProcessBenchmark(messages: generated, rounds: rounds).run(into: &results)
        }
        if part == .language || part == .all {
            try await LanguageBenchmark(messages: generated / 3, rounds: rounds).run(into: &results)
        }
        if part == .gateway || part == .all {
            try await GatewayBenchmark(
                notifications: notifications, connections: connections, rate: rate, hasSpool: spool
            ).run(
                into: &results)
        }
        try write(results)
    }

    private func write(_ results: [String: Double]) throws {
        guard let json else { return }
        let data = try JSONSerialization.data(withJSONObject: results, options: [.prettyPrinted, .sortedKeys])
        if json == "-" {
            print(String(decoding: data, as: UTF8.self))
        } else {
            try data.write(to: URL(fileURLWithPath: json))
        }
    }
}

/// One line of the table.
func row(_ name: String, _ value: String) {
    print("  \(name)\(String(repeating: " ", count: max(1, 44 - name.count)))\(value)")
}

func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }
