public import PipelineKit
import Wire

/// Writes each message into the sink whose condition it fulfils.
public final class SwitchSink: Sink {
    private static let when = Option("when", Condition.type, help: "the condition, as in filter match")
    private static let sink = Option("sink", .sink, help: "the sink of messages that fulfil it")
    private static let cases = Option(
        "cases", OptionType<[Options]>.list(of: .group("a case", [when, sink])),
        help: "conditions and their sinks; the first that holds counts")
    private static let otherwise = Option(
        optional: "otherwise", .sink, help: "the sink of the rest; else they are refused")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "switch",
        summary: "writes each message into the sink whose condition it fulfils",
        details:
            "Conditions look at what the message carries when it comes here: after argus-item that is the item's body.",
        options: [cases, otherwise],
        example: """
            sink:
              switch:
                cases:
                  - when: {field: config.url, host: "*.partner-a.example"}
                    sink: {file: {path: partner-a.jsonl}}
                otherwise: {file: {path: others.jsonl}}
            """)

    /// As much as the largest of them takes; each keeps to its own bounds.
    public let capabilities: SinkCapabilities
    private let conditions: [Condition]
    /// Those of the cases, and behind them that of the rest.
    private let sinks: [any Sink]
    private let names: [String]
    private let context: StageContext

    /// A sink of sinks.
    public init(_ options: Options, _ context: StageContext) throws {
        let cases = options[Self.cases]
        conditions = cases.map { $0[Self.when] }
        let specs = cases.map { $0[Self.sink] } + (options[Self.otherwise].map { [$0] } ?? [])
        guard !specs.isEmpty else { throw OptionError("there is no sink in it", at: options.location(of: Self.cases)) }
        sinks = try SinkGroup.make(specs, context)
        names = specs.map(\.name)
        capabilities = SinkGroup.capabilities(of: sinks)
        self.context = context
    }

    /// Opens all.
    public func open() async throws { try await SinkGroup.open(sinks) }

    /// Writes each message where it belongs, all sinks at once.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        var outcomes = [WriteOutcome](
            repeating: .transient(reason: "no sink answered", retryAfter: nil), count: batch.count)
        var parts: [Int: [Int]] = [:]
        for (index, message) in batch.enumerated() {
            do {
                if let number = try self.number(of: message) {
                    parts[number, default: []].append(index)
                } else {
                    outcomes[index] = .permanent(reason: "no case holds, and there is no 'otherwise'")
                }
            } catch {
                outcomes[index] = .permanent(reason: "\(error)")
            }
        }
        let answers = await withTaskGroup(of: ([Int], [WriteOutcome]).self) { group in
            for (number, indices) in parts {
                let sink = sinks[number]
                group.addTask { (indices, await sink.write(indices.map { batch[$0] })) }
            }
            return await group.reduce(into: [([Int], [WriteOutcome])]()) { $0.append($1) }
        }
        for (indices, written) in answers {
            for (index, outcome) in zip(indices, written) { outcomes[index] = outcome }
        }
        return outcomes
    }

    /// Which sink takes a message; nil for none.
    private func number(of message: Message) throws -> Int? {
        let record = RecordView(message, now: context.now())
        for (number, condition) in conditions.enumerated() where try condition.holds(for: record) { return number }
        return sinks.count > conditions.count ? conditions.count : nil
    }

    /// Closes all.
    public func close() async { await SinkGroup.close(sinks) }

    /// Looks at all.
    public func probe() async throws -> String { try await SinkGroup.probe(sinks, names) }
}
