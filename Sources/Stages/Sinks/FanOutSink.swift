import Locking
public import PipelineKit

/// Writes each message to several sinks. All must succeed.
public final class FanOutSink: Sink {
    private static let sinks = Option("sinks", .list(of: .sink), help: "the sinks, each {KIND: {...}}")

    public static let declaration = StageDeclaration(
        name: "fan-out",
        summary: "writes each message to several sinks; all must succeed",
        details: """
            A message is retried only at the sinks that have not accepted it. What one of them refuses permanently is refused, even if
            others have accepted it.
            """,
        options: [sinks],
        shorthand: "sinks",
        example: """
            sink:
              fan-out:
                - argus: {address: "http://localhost:6600"}
                - file: {path: items.jsonl}
            """)

    /// Which sinks have accepted a message that is retried.
    private struct Memory {
        var arrived: [String: Set<Int>] = [:]
        var order: Deque<String> = []
    }

    /// The maximum number of messages that are remembered.
    private static let maximumRemembered = 10_000

    /// The smallest capabilities of the sinks.
    public let capabilities: SinkCapabilities
    private let sinks: [any Sink]
    private let names: [String]
    private let memory = Mutex(Memory())

    public init(_ options: Options, _ context: StageContext) throws {
        let specs = options[Self.sinks]
        guard !specs.isEmpty else { throw OptionError("it has no sinks", at: options.location(of: Self.sinks)) }
        sinks = try SinkGroup.make(specs, context)
        names = specs.map(\.name)
        capabilities = SinkGroup.capabilities(of: sinks)
    }

    public func open() async throws { try await SinkGroup.open(sinks) }

    /// Writes to all sinks concurrently and waits for all of them.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        let identities = batch.map { "\($0.id)\u{0}\($0.key)" }
        let arrived = memory.withLock { memory in identities.map { memory.arrived[$0] ?? [] } }
        let results = await withTaskGroup(of: (Int, [Int], [WriteOutcome]).self) { group in
            for (number, sink) in sinks.enumerated() {
                let missing = batch.indices.filter { !arrived[$0].contains(number) }
                guard !missing.isEmpty else { continue }
                group.addTask { (number, missing, await sink.write(missing.map { batch[$0] })) }
            }
            return await group.reduce(into: [(Int, [Int], [WriteOutcome])]()) { $0.append($1) }
        }
        var byMessage = [[(sink: Int, outcome: WriteOutcome)]](repeating: [], count: batch.count)
        for (number, indices, outcomes) in results {
            for (index, outcome) in zip(indices, outcomes) { byMessage[index].append((number, outcome)) }
        }
        return batch.indices.map { settle(identities[$0], arrived[$0], byMessage[$0]) }
    }

    /// Combines the outcomes of all sinks.
    private func settle(
        _ identity: String, _ arrived: Set<Int>, _ outcomes: [(sink: Int, outcome: WriteOutcome)]
    ) -> WriteOutcome {
        var result = WriteOutcome.delivered
        var done = arrived
        var isDelivered = !arrived.isEmpty
        for (sink, outcome) in outcomes {
            switch outcome {
            case .delivered:
                isDelivered = true
                done.insert(sink)
            case .expired, .superseded:
                done.insert(sink)
                if result == .delivered { result = outcome }
            case .transient(let reason, let retryAfter):
                if case .permanent = result { continue }
                var pause = retryAfter
                if case .transient(_, let other) = result { pause = [pause, other].compactMap { $0 }.max() }
                result = .transient(reason: "\(names[sink]): \(reason)", retryAfter: pause)
            case .permanent(let reason): result = .permanent(reason: "\(names[sink]): \(reason)")
            }
        }
        if case .transient = result {
            remember(identity, done)
        } else {
            memory.withLock { _ = $0.arrived.removeValue(forKey: identity) }
            if isDelivered, result == .expired || result == .superseded { result = .delivered }
        }
        return result
    }

    private func remember(_ identity: String, _ done: Set<Int>) {
        guard !done.isEmpty else { return }
        memory.withLock { memory in
            if memory.arrived.updateValue(done, forKey: identity) == nil { memory.order.append(identity) }
            while memory.order.count > Self.maximumRemembered, let oldest = memory.order.popFirst() {
                memory.arrived[oldest] = nil
            }
        }
    }

    public func close() async { await SinkGroup.close(sinks) }

    public func probe() async throws -> String { try await SinkGroup.probe(sinks, names) }
}
