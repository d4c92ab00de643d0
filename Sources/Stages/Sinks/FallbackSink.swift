public import PipelineKit

/// Writes each message into the first of several sinks that takes it.
public final class FallbackSink: Sink {
    private static let sinks = Option("sinks", .list(of: .sink), help: "the sinks in order, each {KIND: {...}}")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "fallback",
        summary: "writes each message into the first of several sinks that takes it",
        details: """
            The next is tried where one fails, for now or for good. Where all fail, the message is tried again from the first on, unless all
            refused it for good.
            """,
        options: [sinks],
        shorthand: "sinks",
        example: """
            sink:
              fallback:
                - argus: {address: "http://localhost:6600"}
                - file: {path: not-in-argus.jsonl}
            """)

    /// As much as the largest of them takes; each keeps to its own bounds.
    public let capabilities: SinkCapabilities
    private let sinks: [any Sink]
    private let names: [String]

    /// A sink of sinks.
    public init(_ options: Options, _ context: StageContext) throws {
        let specs = options[Self.sinks]
        guard !specs.isEmpty else { throw OptionError("there is no sink in it", at: options.location(of: Self.sinks)) }
        sinks = try SinkGroup.make(specs, context)
        names = specs.map(\.name)
        capabilities = SinkGroup.capabilities(of: sinks)
    }

    /// Opens those that can be; one that cannot is opened when its turn comes.
    ///
    /// - Throws: where none can be opened.
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

    /// Writes what the first takes into it, the rest into the next, and so on.
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

    /// Of two failures the one that decides: what may pass can be tried again. The shorter pause counts.
    private static func worse(_ earlier: WriteOutcome?, _ later: WriteOutcome) -> WriteOutcome {
        switch (earlier, later) {
        case (.transient(let reason, let pause)?, .transient(_, let other)):
            .transient(reason: reason, retryAfter: pause.flatMap { first in other.map { min(first, $0) } })
        case (.transient?, .permanent): earlier ?? later
        default: later
        }
    }

    /// Closes all.
    public func close() async { await SinkGroup.close(sinks) }

    /// Looks at all.
    public func probe() async throws -> String { try await SinkGroup.probe(sinks, names) }
}
