import PipelineFile
public import PipelineKit
import Telemetry
import Wire

/// The conformance suite for sinks. Independent of a test framework: it returns what it found.
///
/// Checks the declaration, an answer for every message, opening again after an outage, cancellation, closing twice, the
/// capabilities of the sink, back-pressure in a pipeline, and the names of metrics.
public struct SinkConformance<Tested: Sink>: Sendable {
    /// How to take the sink's destination down and bring it back.
    public struct Outage: Sendable {
        let begin: @Sendable () async throws -> Void
        let end: @Sendable () async throws -> Void

        public init(
            begin: @escaping @Sendable () async throws -> Void, end: @escaping @Sendable () async throws -> Void
        ) {
            self.begin = begin
            self.end = end
        }
    }

    private let options: String
    private let registry: StageRegistry
    private let outage: Outage?
    private let payload: @Sendable (Int) -> any Payload
    private let make: @Sendable (Options, StageContext) throws -> Tested

    /// Makes a suite for a kind of sink.
    ///
    /// - Parameters:
    ///   - options: its options as in a pipeline file, such as `{path: items.jsonl}`, with which it can write.
    ///   - registry: the other kinds that its options and its example use.
    ///   - outage: takes its destination down; nil for a sink without one.
    ///   - payload: a payload that it accepts; JSON by default.
    ///   - make: makes the sink, if it must not write to its usual destination.
    public init(
        _ type: Tested.Type, options: String = "{}", registry: StageRegistry = StageRegistry(), outage: Outage? = nil,
        payload: @escaping @Sendable (Int) -> any Payload = { Bytes(Array("{\"number\":\($0)}".utf8)) },
        make: @escaping @Sendable (Options, StageContext) throws -> Tested = { try Tested($0, $1) }
    ) {
        self.make = make
        self.options = options
        var registry = registry
        registry.register(type)
        self.registry = registry
        self.outage = outage
        self.payload = payload
    }

    /// Runs all checks. Needs nothing but what the sink needs.
    ///
    /// - Returns: the violations as sentences; empty if there are none.
    public func check() async -> [String] {
        var problems = Declarations.check(Tested.declaration, role: .sink, registry: registry)
        let names = MetricNames()
        do {
            let read = try Declarations.options(options, of: Tested.declaration, registry: registry)
            let sink = try make(read, Declarations.context(Tested.declaration.name, names))
            problems += try await answers(sink)
            problems += await bounds(sink)
            problems += await endings(sink)
            if let outage {
                problems += try await recovers(
                    try make(read, Declarations.context(Tested.declaration.name, names)), outage)
            }
            problems += try await runsInPipeline(read, names)
        } catch {
            problems.append("it cannot be used with these options: \(error)")
        }
        return problems + names.problems
    }

    private func message(_ number: Int) -> Message {
        Message(
            id: "conformance-\(number)", key: "key-\(number)", payload: payload(number), publishedAt: .now(),
            receivedAt: .now())
    }

    /// Answers every message with `delivered`.
    private func answers(_ sink: Tested) async throws -> [String] {
        var problems: [String] = []
        let early = await sink.write([message(0)])
        if early.count != 1 { problems.append("write before open gave \(early.count) answers for 1 message") }
        try await sink.open()
        var number = 1
        for size in Set([0, 1, sink.capabilities.batch]).sorted() {
            let batch = (0..<size).map { message(number + $0) }
            number += size
            let outcomes = await sink.write(batch)
            if outcomes.count != size { problems.append("write gave \(outcomes.count) answers for \(size) messages") }
            if let bad = outcomes.first(where: { $0 != .delivered }) {
                problems.append("a message that it takes was answered with \(bad)")
            }
        }
        let unknown = Message(id: "strange", payload: UnknownPayload(), receivedAt: .now())
        let outcomes = await sink.write([unknown])
        if outcomes.count != 1 { problems.append("a payload that it does not know got \(outcomes.count) answers") }
        if Tested.declaration.accepts != nil, Tested.declaration.accepts != .bytes {
            guard case .permanent? = outcomes.first else {
                return problems + ["a payload that it does not take was not answered with permanent"]
            }
        }
        return problems
    }

    /// Answers as many concurrent calls as it allows, and a cancelled one.
    private func bounds(_ sink: Tested) async -> [String] {
        var problems: [String] = []
        if sink.capabilities.batch < 1 || sink.capabilities.inFlight < 1 {
            problems.append("its capabilities let nothing be written")
        }
        let calls = min(sink.capabilities.inFlight, 16)
        let unanswered = await withTaskGroup(of: Int.self) { group in
            for call in 0..<calls {
                group.addTask { await sink.write([message(10_000 + call)]).filter { $0 == .delivered }.count }
            }
            return await group.reduce(calls, -)
        }
        if unanswered > 0 {
            problems.append("of \(calls) calls at once, as it asks for, \(unanswered) were not delivered")
        }
        let cancelled = Task { await sink.write([message(20_000)]) }
        cancelled.cancel()
        guard let outcomes = await TimeLimit.value(of: cancelled) else {
            return problems + ["a write that was cancelled did not return"]
        }
        if outcomes.count != 1 {
            problems.append("a write that was cancelled gave \(outcomes.count) answers for 1 message")
        }
        return problems
    }

    /// Closes twice, refuses writes when closed, and opens again.
    private func endings(_ sink: Tested) async -> [String] {
        await sink.close()
        await sink.close()
        let closed = await sink.write([message(30_000)])
        var problems = closed.count == 1 ? [] : ["write after close gave \(closed.count) answers for 1 message"]
        do {
            try await sink.open()
            let outcomes = await sink.write([message(30_001)])
            if outcomes != [.delivered] { problems.append("opened again it answered \(outcomes)") }
        } catch {
            problems.append("it cannot be opened again after close: \(error)")
        }
        await sink.close()
        return problems
    }

    /// Delivers and gives up nothing during an outage, and goes on after it.
    private func recovers(_ sink: Tested, _ outage: Outage) async throws -> [String] {
        var problems: [String] = []
        try await outage.begin()
        var isOpen = true
        do {
            try await sink.open()
        } catch {
            isOpen = false
        }
        let outcomes = await sink.write([message(40_000)])
        if case .transient? = outcomes.first {} else { problems.append("during an outage it answered \(outcomes)") }
        try await outage.end()
        if !isOpen { try await sink.open() }
        var last: [WriteOutcome] = []
        for _ in 0..<50 {
            last = await sink.write([message(40_001)])
            if last == [.delivered] { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        if last != [.delivered] { problems.append("after an outage it answered \(last)") }
        await sink.close()
        return problems
    }

    /// Delivers every message once in a pipeline with a small capacity, within the limits of both.
    private func runsInPipeline(_ options: Options, _ names: MetricNames) async throws -> [String] {
        let count = 300, capacity = 8
        let recorder = SinkRecorder()
        let source = NumberSource(count: count) { message(50_000 + $0) }
        var kinds = registry
        kinds.add(.sink, Tested.declaration) { [make] options, context in
            let sink = try make(options, context)
            if let sink = sink as? any CompletingSink { return .sink(WatchedCompletingSink(sink, recorder)) }
            return .sink(WatchedSink(sink, recorder))
        }
        let spec = PipelineSpec(
            name: "conformance",
            source: .init(name: "numbers", kind: NumberSource.kind, options: Options(), location: nil),
            stages: [],
            sink: .init(
                name: Tested.declaration.name, kind: kinds.kind(.sink, Tested.declaration.name)!, options: options,
                location: nil), settings: RunnerSettings(lanes: 2, capacity: capacity))
        var diagnostics = Diagnostics()
        let built = spec.build(
            logger: Declarations.logger, metrics: names, replacingSource: source, &diagnostics)
        guard let pipeline = built else { return diagnostics.all.map(\.message) }
        try await pipeline.run()
        var problems: [String] = []
        let record = recorder.record
        if pipeline.counts != ["delivered": count] {
            problems.append("of \(count) messages in a pipeline there ended: \(pipeline.counts)")
        }
        if source.maximumInside > capacity + 1 {
            problems.append("\(source.maximumInside) messages were inside a pipeline with room for \(capacity)")
        }
        if !record.problems.isEmpty { problems += record.problems }
        return problems
    }
}

/// A payload that no sink knows.
private struct UnknownPayload: Payload {
    static let kind = PayloadKind("strange")
    func bytes(at now: Timestamp) -> [UInt8] { Array("{}".utf8) }
}
