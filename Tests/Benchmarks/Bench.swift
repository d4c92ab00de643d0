import Arguments
import Foundation
import TestSupport

/// Measures the gateway: inside one process, and over the loopback as SNS and Argus see it.
@main
struct Bench: Command {
    static let configuration = CommandConfiguration(
        commandName: "hecate-bench",
        abstract:
            "Measure the gateway in process (a), over the loopback (b), its language (c, d), with a backlog (f) and idle (g). Prints a table, and JSON with --json.",
        discussion: "Build it for release: swift run -c release hecate-bench")

    enum Part: String, ArgumentValue, CaseIterable {
        case inProcess = "in-process", language, gateway, all, queue, backlog, idle, soak
    }

    @Argument(help: "What to measure: in-process, language, gateway, all (of these), queue, backlog, idle or soak.")
    var part = Part
        .all
    @Option(help: "Messages for (a).") var generated = 300_000
    @Option(help: "Distinct notifications for (b).") var notifications = 20_000
    @Option(help: "Keep-alive connections for (b).") var connections = 32
    @Option(help: "Notifications a second for (b); as fast as they are answered if left out.") var rate: Double?
    @Flag(help: "Give the gateway of (b) a spool.") var spool = false
    @Option(help: "The SQS of (e), such as LocalStack's.") var queueService = "http://127.0.0.1:4100"
    @Option(help: "Messages for (e).") var queued = 3000
    @Option(help: "Messages for (f).") var backlog = 1_000_000
    @Option(
        help: ArgumentHelp(
            "The program for (g), such as what deploy/docker/build.sh makes; the one beside this if left out.",
            valueName: "file")) var program: String?
    @Option(help: "How long to soak, in minutes.") var minutes = 30.0
    @Option(help: "Rounds of (a), (c), (d) and (g), of which the median counts.") var rounds = 3
    @Option(help: ArgumentHelp("A file for the results as JSON; - for standard output.", valueName: "file")) var json:
        String?

    @Option(help: "How often all of it is measured, in turn with the machine's yardstick; --compare wants 5 or so.")
    var pairs = 1
    @Option(
        help: ArgumentHelp(
            "Compare with what --json wrote before; end with 1 where something is worse beyond what the rounds differ by.",
            valueName: "file"))
    var compare: String?

    func validate() throws {
        for (name, value, most) in [
            ("generated", generated, 100_000_000), ("notifications", notifications, 10_000_000),
            ("connections", connections, 10_000), ("queued", queued, 1_000_000), ("backlog", backlog, 100_000_000),
            ("rounds", rounds, 1000), ("pairs", pairs, 1000),
        ] where !(1...most).contains(value) {
            throw ValidationError("--\(name): a number from 1 to \(most) is expected")
        }
        if let rate, !(rate > 0 && rate <= 1_000_000) {
            throw ValidationError("--rate: expected a number above 0, 1000000 at most")
        }
        guard minutes > 0, minutes <= 10_000 else {
            throw ValidationError("--minutes: a number above 0 is expected, 10000 at most")
        }
        if let program, !FileManager.default.isExecutableFile(atPath: program) {
            throw ValidationError("--program: '\(program)' is no program")
        }
    }

    func run() async throws {
        let baseline = try compare.map { path in
            try JSONDecoder().decode(Measurement.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        }
        var measurement = Measurement()
        for _ in 0..<pairs {
            var results: [String: Double] = [:]
            let yardstick = Measurement.yardstick()
            try await measure(into: &results)
            measurement.add(results, yardstick: yardstick)
        }
        if pairs > 1 {
            print("medians of \(pairs)")
            for (name, value) in measurement.medians.sorted(by: { $0.key < $1.key }) {
                row(name, value < 1000 ? String(format: "%.2f", value) : whole(value))
            }
        }
        try write(measurement)
        if let baseline { try show(measurement.compared(with: baseline)) }
    }

    private func measure(into results: inout [String: Double]) async throws {
        switch part {
        case .soak: return try await SoakBenchmark(minutes: minutes, rate: rate ?? 500).run(into: &results)
        case .queue: return try await QueueBenchmark(service: queueService, messages: queued).run(into: &results)
        case .backlog: return try await BacklogBenchmark(messages: backlog).run(into: &results)
        case .idle:
            let program = program.map { URL(fileURLWithPath: $0) } ?? ChildProcess.hecate
            return try await IdleBenchmark(program: program, rounds: rounds).run(into: &results)
        case .inProcess, .language, .gateway, .all: break
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
            ).run(into: &results)
        }
    }

    private func write(_ measurement: Measurement) throws {
        guard let json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let data = try encoder.encode(measurement)
        if json == "-" {
            print(String(decoding: data, as: UTF8.self))
        } else {
            try data.write(to: URL(fileURLWithPath: json))
        }
    }

    private func show(_ changes: [Measurement.Change]) throws {
        print("against \(compare ?? ""): how many times as good, and how far below 1 that may be")
        for change in changes {
            row(
                change.name,
                String(format: "%.2f  (%.2f)", change.ratio, change.noise) + (change.isRegression ? "  WORSE" : ""))
        }
        guard !changes.isEmpty else { throw BenchError("nothing was measured that the baseline has too") }
        let worse = changes.filter(\.isRegression).map(\.name)
        guard worse.isEmpty else { throw BenchError("worse than before: \(worse.joined(separator: ", "))") }
    }
}

/// One line of the table.
func row(_ name: String, _ value: String) {
    print("  \(name)\(String(repeating: " ", count: max(1, 44 - name.count)))\(value)")
}

func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }
