import Arguments
import PipelineKit
import Stages
import Telemetry
import Webhooks
import Wire

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
