import PipelineKit
import Stages
import Webhooks
import Wire

/// The result of a test's message.
struct PipelineTestOutcome {
    /// A message that arrived at the sink.
    struct Delivered {
        var fields: [(name: String, value: String)]
        var body: [UInt8]
    }

    enum Kind {
        case delivers([Delivered])
        case drops(by: String)
        case deadLetters(stage: String, reason: String)
        case expires
    }

    let kind: Kind

    init(_ outcome: DryEvaluation.Outcome, at now: Timestamp) {
        switch outcome {
        case .filtered(let stage): kind = .drops(by: stage)
        case .refused(let stage, let reason): kind = .deadLetters(stage: stage, reason: reason)
        case .passes(let messages):
            let live = messages.filter { !$0.payload.isExpired(at: now) }
            kind =
                live.isEmpty && !messages.isEmpty ? .expires : .delivers(live.map { Self.delivered($0, at: now) })
        }
    }

    private static func delivered(_ message: Message, at now: Timestamp) -> Delivered {
        var fields = [("key", message.key)]
        if let item = message.payload as? ArgusItem {
            fields.append(("item", item.id))
            fields.append(("owner", item.owner))
            fields.append(("ttl", "\(item.lifetime.secondsLeft(at: now))"))
        } else {
            fields.append(("id", message.id))
        }
        return Delivered(fields: fields, body: message.payload.bytes(at: now))
    }

    // MARK: - Comparing

    /// Returns the differences from the expectation, one per line.
    func differences(from expected: PipelineTestFile.Expectation) -> [String] {
        switch (expected, kind) {
        case (.delivers(let wanted), .delivers(let found)):
            guard wanted.count == found.count else {
                return ["expected \(wanted.count) messages to be delivered, \(found.count) were"]
            }
            return zip(wanted, found).enumerated().flatMap { index, pair in
                let prefix = wanted.count == 1 ? "" : "message \(index + 1): "
                return Self.differences(pair.0, pair.1).map { prefix + $0 }
            }
        case (.drops(let wanted), .drops(let found)):
            guard let wanted, wanted != found else { return [] }
            return ["expected to be dropped by '\(wanted)', it was by '\(found)'"]
        case (.deadLetters(let stage, let reason), .deadLetters(let foundStage, let foundReason)):
            var lines: [String] = []
            if let stage, stage != foundStage {
                lines.append("expected to be refused by '\(stage)', it was by '\(foundStage)'")
            }
            if let reason, !foundReason.contains(reason) {
                lines += ["expected a reason with  \(reason)", "it was                  \(foundReason)"]
            }
            return lines
        case (.expires, .expires): return []
        case (.nothing, _): return ["nothing is expected; it \(summary). 'hecate test --update' writes that down"]
        default: return ["expected \(Self.name(of: expected)), it \(summary)"]
        }
    }

    private static func name(of expected: PipelineTestFile.Expectation) -> String {
        switch expected {
        case .delivers: "to be delivered"
        case .drops(let stage): "to be dropped" + (stage.map { " by '\($0)'" } ?? "")
        case .deadLetters: "to be refused"
        case .expires: "to have expired"
        case .nothing: "nothing"
        }
    }

    private var summary: String {
        switch kind {
        case .delivers(let messages): messages.isEmpty ? "became nothing" : "was delivered"
        case .drops(let stage): "was dropped by '\(stage)'"
        case .deadLetters(let stage, let reason): "was refused by '\(stage)': \(reason)"
        case .expires: "had expired"
        }
    }

    private static func differences(
        _ expected: PipelineTestFile.DeliveryExpectation, _ found: Delivered
    ) -> [String] {
        var lines: [String] = []
        for (name, value) in expected.fields {
            guard let actual = found.fields.first(where: { $0.name == name })?.value else {
                lines.append("\(name): expected '\(value)', there is none")
                continue
            }
            if actual != value { lines.append("\(name): expected '\(value)', was '\(actual)'") }
        }
        if let text = expected.text, text != found.body.text {
            lines.append("text: expected \(JSONWriter.quoted(text)), was \(JSONWriter.quoted(found.body.text))")
        }
        for (wanted, isWhole) in [(expected.body, true), (expected.contains, false)] {
            guard let wanted else { continue }
            guard let body = try? JSONTree(parsing: found.body) else {
                lines.append("the body is not JSON: \(found.body.text.prefix(200))")
                continue
            }
            compare(wanted.canonical, body.canonical, isWhole, at: "body", into: &lines)
        }
        return lines
    }

    private static func compare(
        _ expected: JSONTree, _ found: JSONTree, _ isWhole: Bool, at path: String, into lines: inout [String]
    ) {
        switch (expected, found) {
        case (.object(let wanted), .object(let members)):
            for member in wanted {
                if let value = found[member.key] {
                    compare(member.value, value, isWhole, at: "\(path).\(member.key)", into: &lines)
                } else {
                    lines.append("\(path).\(member.key): expected \(member.value.bytes.text), there is none")
                }
            }
            for member in members where isWhole && expected[member.key] == nil {
                lines.append("\(path).\(member.key): not expected, was \(member.value.bytes.text)")
            }
        case (.array(let wanted), .array(let elements)) where wanted.count == elements.count:
            for (index, (left, right)) in zip(wanted, elements).enumerated() {
                compare(left, right, isWhole, at: "\(path)[\(index)]", into: &lines)
            }
        default:
            if expected != found { lines.append("\(path): expected \(expected.bytes.text), was \(found.bytes.text)") }
        }
    }

    // MARK: - Writing down

    /// Returns the result as YAML for a test file, indented.
    func yaml(indent: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        switch kind {
        case .expires: return ["\(margin)expires: true"]
        case .drops(let stage): return ["\(margin)drops: {by: \(JSONWriter.quoted(stage))}"]
        case .deadLetters(let stage, let reason):
            return [
                "\(margin)dead-letters:", "\(margin)  stage: \(JSONWriter.quoted(stage))",
                "\(margin)  reason: \(JSONWriter.quoted(reason))",
            ]
        case .delivers(let messages):
            guard !messages.isEmpty else { return ["\(margin)delivers: []"] }
            var lines = ["\(margin)delivers:"]
            for message in messages {
                var mark = "- "
                for (name, value) in message.fields where name != "item" && name != "id" {
                    let shown = name == "ttl" ? value : JSONWriter.quoted(value)
                    lines.append("\(margin)  \(mark)\(name): \(shown)")
                    mark = "  "
                }
                if let tree = try? JSONTree(parsing: message.body) {
                    let body = tree.pretty.split(separator: "\n").enumerated().map { index, line in
                        index == 0 ? "\(margin)  \(mark)body: \(line)" : "\(margin)      \(line)"
                    }
                    lines += body
                } else {
                    lines.append("\(margin)  \(mark)text: \(JSONWriter.quoted(message.body.text))")
                }
            }
            return lines
        }
    }
}
