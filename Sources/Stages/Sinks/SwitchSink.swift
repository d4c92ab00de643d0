public import PipelineKit
import Wire

/// Writes each message to the sink whose condition it matches.
public final class SwitchSink: Sink {
    private static let when = Option("when", Condition.type, help: "the condition, as in filter match")
    private static let sink = Option("sink", .sink, help: "the sink for messages that match")
    private static let cases = Option(
        "cases", OptionType<[Options]>.list(of: .group("a case", [when, sink])),
        help: "conditions and their sinks; the first match decides")
    private static let otherwise = Option(
        optional: "otherwise", .sink, help: "the sink for all other messages; by default they are refused")

    public static let declaration = StageDeclaration(
        name: "switch",
        summary: "writes each message to the sink whose condition it matches",
        details:
            "Conditions test the message as it arrives here: after argus-item that is the body of the item.",
        options: [cases, otherwise],
        example: """
            sink:
              switch:
                cases:
                  - when: {field: config.url, host: "*.partner-a.example"}
                    sink: {file: {path: partner-a.jsonl}}
                otherwise: {file: {path: others.jsonl}}
            """)

    /// The largest capabilities of the sinks, because each enforces its own.
    public let capabilities: SinkCapabilities
    private let conditions: [Condition]
    /// The sinks of the cases, and last the default.
    private let sinks: [any Sink]
    private let names: [String]
    private let context: StageContext

    public init(_ options: Options, _ context: StageContext) throws {
        let cases = options[Self.cases]
        conditions = cases.map { $0[Self.when] }
        let specs = cases.map { $0[Self.sink] } + (options[Self.otherwise].map { [$0] } ?? [])
        guard !specs.isEmpty else { throw OptionError("it has no sinks", at: options.location(of: Self.cases)) }
        sinks = try SinkGroup.make(specs, context)
        names = specs.map(\.name)
        capabilities = SinkGroup.capabilities(of: sinks)
        self.context = context
    }

    public func open() async throws { try await SinkGroup.open(sinks) }

    /// Writes each message to its sink, to all sinks concurrently.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        var outcomes = [WriteOutcome](
            repeating: .transient(reason: "no sink answered", retryAfter: nil), count: batch.count)
        var parts: [Int: [Int]] = [:]
        for (index, message) in batch.enumerated() {
            do {
                if let number = try self.number(of: message) {
                    parts[number, default: []].append(index)
                } else {
                    outcomes[index] = .permanent(reason: "no case matches, and there is no 'otherwise'")
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

    /// Returns the index of the sink for a message; nil for none.
    private func number(of message: Message) throws -> Int? {
        let record = RecordView(message, now: context.now())
        for (number, condition) in conditions.enumerated() where try condition.holds(for: record) { return number }
        return sinks.count > conditions.count ? conditions.count : nil
    }

    public func close() async { await SinkGroup.close(sinks) }

    public func probe() async throws -> String { try await SinkGroup.probe(sinks, names) }
}
