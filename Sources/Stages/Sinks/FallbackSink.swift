public import PipelineKit

/// Writes each message to the first of several sinks that accepts it.
public final class FallbackSink: Sink {
    private static let sinks = Option("sinks", .list(of: .sink), help: "the sinks in order, each {KIND: {...}}")

    public static let declaration = StageDeclaration(
        name: "fallback",
        summary: "writes each message to the first of several sinks that accepts it",
        details: """
            The next sink is tried when one fails, with a transient or a permanent error. If all fail, the message is retried from the first
            on, unless all refused it permanently.
            """,
        options: [sinks],
        shorthand: "sinks",
        example: """
            sink:
              fallback:
                - argus: {address: "http://localhost:6600"}
                - file: {path: not-in-argus.jsonl}
            """)

    /// The largest capabilities of the sinks, because each enforces its own.
    public let capabilities: SinkCapabilities
    private let sinks: [any Sink]
    private let names: [String]

    public init(_ options: Options, _ context: StageContext) throws {
        let specs = options[Self.sinks]
        guard !specs.isEmpty else { throw OptionError("it has no sinks", at: options.location(of: Self.sinks)) }
        sinks = try SinkGroup.make(specs, context)
        names = specs.map(\.name)
        capabilities = SinkGroup.capabilities(of: sinks)
    }

    /// Opens the sinks. One that fails is opened again when it is needed.
    ///
    /// - Throws: if no sink can be opened.
    public func open() async throws {
        var failure: (any Error)?
        var isOneOpen = false
        for sink in sinks {
            do {
                try await sink.open()
                isOneOpen = true
            } catch {
                failure = error
            }
        }
        if !isOneOpen, let failure { throw failure }
    }

    /// Writes the messages to the first sink, those that it did not accept to the next, and so on.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        var outcomes = [WriteOutcome?](repeating: nil, count: batch.count)
        var remaining = Array(batch.indices)
        for (sink, name) in zip(sinks, names) where !remaining.isEmpty {
            do {
                try await sink.open()
            } catch {
                for index in remaining {
                    outcomes[index] = Self.worse(
                        outcomes[index], .transient(reason: "\(name): \(error)", retryAfter: nil))
                }
                continue
            }
            let answers = await sink.write(remaining.map { batch[$0] })
            var toRetry: [Int] = []
            for (index, answer) in zip(remaining, answers) {
                switch answer {
                case .delivered, .expired, .superseded: outcomes[index] = answer
                case .transient(let reason, let retryAfter):
                    outcomes[index] = Self.worse(
                        outcomes[index], .transient(reason: "\(name): \(reason)", retryAfter: retryAfter))
                    toRetry.append(index)
                case .permanent(let reason):
                    outcomes[index] = Self.worse(outcomes[index], .permanent(reason: "\(name): \(reason)"))
                    toRetry.append(index)
                }
            }
            remaining = toRetry
        }
        return outcomes.map { $0 ?? .transient(reason: "no sink answered", retryAfter: nil) }
    }

    /// Combines two failures: a transient one wins, and the shorter delay.
    private static func worse(_ earlier: WriteOutcome?, _ later: WriteOutcome) -> WriteOutcome {
        switch (earlier, later) {
        case (.transient(let reason, let pause)?, .transient(_, let other)):
            .transient(reason: reason, retryAfter: pause.flatMap { first in other.map { min(first, $0) } })
        case (.transient?, .permanent): earlier ?? later
        default: later
        }
    }

    public func close() async { await SinkGroup.close(sinks) }

    public func probe() async throws -> String { try await SinkGroup.probe(sinks, names) }
}
