import Arguments
import Telemetry
import PipelineFile
import PipelineKit
import Stages
import Webhooks
import Wire

/// `hecate plan`: shows what a pipeline would do with a list of registrations.
struct PlanCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show which registrations of a list would migrate, with which result, and why others would not.",
        discussion: """
            The list is one registration a line (JSON Lines), or one JSON array, as Tr1d1um's GET /hooks answers it; - reads standard
            input. Each is taken as if it were published now (or at --now), and goes through the filters and transforms; nothing is sent.
            What is registered twice counts as the later one.
            """)

    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file"), completion: .file(extensions: ["yaml"]))
    var file: String
    @OptionGroup var set: SettingArguments
    @Arguments.Option(
        help: "The list of registrations: a file, - or a URL such as http://tr1d1um:6100/api/v2/hooks.",
        completion: .file())
    var input: String
    @OptionGroup var listAuthorization: ListAuthorization
    @Arguments.Option(help: "The time to use, as 2026-01-01T00:00:00Z; by default now.") var now: String?
    @OptionGroup var attributeArguments: AttributeArguments
    @Flag(help: "Print JSON: an array of decisions.") var json = false

    func run() async throws {
        let pipeline = try PipelineFile.loadOne(file, settings: set.settings).pipeline
        let time = try self.time()
        var diagnostics = Diagnostics()
        let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
        guard let evaluation = pipeline.makeDryEvaluation(logger: logger, now: { time }, &diagnostics) else {
            for diagnostic in diagnostics.all { Console.error("error: \(diagnostic.message)") }
            throw ExitCode.badConfiguration
        }
        let list = try await RegistrationList(input, authorization: listAuthorization)
        let attributes = try attributeArguments.map()
        let progress = Progress("planned", total: list.entries.count)
        var plan = MigrationPlan()
        for entry in list.entries {
            let message = entry.message(of: list, attributes: attributes, at: time)
            plan.add(evaluation.evaluate(message), of: message, line: entry.position, at: time)
            progress.advance()
        }
        progress.end()
        print(json ? plan.json : plan.table)
    }

    private func time() throws -> Timestamp {
        guard let now else { return .now() }
        guard let time = RFC3339.parse(now) else {
            throw ValidationError("--now: '\(now)' is no date-time such as 2026-01-01T00:00:00Z")
        }
        return time.timestamp
    }
}

/// What a pipeline would do with a list of registrations.
struct MigrationPlan {
    private enum Decision: String {
        case migrates, stays, expired, refused, replaced
    }

    private struct Row {
        var line: Int
        var url: String
        var decision: Decision
        var owner: String?
        var ttl: Int64?
        var id: String?
        var reason: String
    }

    private var rows: [Row] = []
    private var lastOfKey: [String: Int] = [:]

    mutating func add(_ outcome: DryEvaluation.Outcome, of message: Message, line: Int, at time: Timestamp) {
        let url = message.key == message.id ? "(no config.url)" : message.key
        var row = Row(line: line, url: url, decision: .stays, reason: "")
        switch outcome {
        case .filtered(let stage): row.reason = "stopped by \(stage)"
        case .refused(let stage, let reason): (row.decision, row.reason) = (.refused, "\(stage): \(reason)")
        case .passes(let messages):
            row.decision = .migrates
            guard let item = messages.first?.payload as? ArgusItem else { break }
            row.id = item.id
            row.owner = item.owner
            row.ttl = item.lifetime.secondsLeft(at: time)
            if item.lifetime.isExpired(at: time) { (row.decision, row.reason) = (.expired, "it has expired already") }
        }
        if let earlier = lastOfKey[message.key] {
            (rows[earlier].decision, rows[earlier].reason) = (.replaced, "registered again in line \(line)")
        }
        lastOfKey[message.key] = rows.count
        rows.append(row)
    }

    var table: String {
        let heads = ["LINE", "URL", "DECISION", "OWNER", "TTL", "WHY"]
        var cells = [heads]
        for row in rows {
            cells.append([
                "\(row.line)", Console.printable(row.url), row.decision.rawValue,
                Console.printable(row.owner.map { $0.isEmpty ? "(nobody)" : $0 } ?? ""),
                row.ttl.map { "\($0) s" } ?? "", Console.printable(row.reason),
            ])
        }
        let widths = heads.indices.map { column in min(60, cells.map { $0[column].count }.max() ?? 0) }
        let lines = cells.map { row in
            zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ").trimmed
        }
        return (lines + ["", summary]).joined(separator: "\n")
    }

    private var summary: String {
        let counts = Dictionary(grouping: rows, by: \.decision).mapValues(\.count)
        let order: [Decision] = [.migrates, .stays, .expired, .refused, .replaced]
        let parts = order.compactMap { decision in counts[decision].map { "\($0) \(decision.rawValue)" } }
        return "\(rows.count) registrations" + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
    }

    var json: String {
        JSONTree.array(
            rows.map { row in
                var members: [JSONTree.Member] = [
                    .init("line", .integer(row.line)), .init("url", .string(row.url)),
                    .init("decision", .string(row.decision.rawValue)),
                ]
                if let id = row.id { members.append(.init("id", .string(id))) }
                if let owner = row.owner { members.append(.init("owner", .string(owner))) }
                if let ttl = row.ttl { members.append(.init("ttl", .integer(ttl))) }
                if !row.reason.isEmpty { members.append(.init("why", .string(row.reason))) }
                return .object(members)
            }
        ).pretty
    }
}
