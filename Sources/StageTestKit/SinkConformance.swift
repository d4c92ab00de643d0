import PipelineFile
public import PipelineKit
import Telemetry
import Wire

/// What every sink has to hold to, whatever it writes to. Knows nothing of a test framework: it says what it found.
///
/// It looks at the declaration, at answers for every message, at opening again after an outage, at cancellation, at closing twice, at
/// the bounds that the sink asks for, at back-pressure in a pipeline, and at the names of metrics.
public struct SinkConformance<Tested: Sink>: Sendable {
    /// How to take away what the sink writes to, and to bring it back.
    public struct Outage: Sendable {
        let begin: @Sendable () async throws -> Void
        let end: @Sendable () async throws -> Void

        /// An outage.
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

    /// A suite for a kind of sink.
    ///
    /// - Parameters:
    ///   - options: its options as they stand in a pipeline file, such as `{path: items.jsonl}`, with which it can write.
    ///   - registry: the kinds that its options and its example name beside itself.
    ///   - outage: takes away what it writes to; left out for one that writes nowhere.
    ///   - payload: what messages carry that it takes; by default JSON.
    ///   - make: makes the sink, where it is not to write where it usually does.
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

    /// Checks everything; nothing is to be asked of the machine but what the sink itself needs.
    ///
    /// - Returns: what does not hold, in sentences; empty where all does.
    public func check() async -> [String] {
        var found = Declarations.check(Tested.declaration, role: .sink, registry: registry)
        let names = MetricNames()
        do {
            let read = try Declarations.options(options, of: Tested.declaration, registry: registry)
            let sink = try make(read, Declarations.context(Tested.declaration.name, names))
            found += try await answers(sink)
            found += await bounds(sink)
            found += await endings(sink)
            if let outage {
                found += try await recovers(
                    try make(read, Declarations.context(Tested.declaration.name, names)), outage)
            }
            found += try await inPipeline(read, names)
        } catch {
            found.append("it cannot be used with these options: \(error)")
        }
        return found + names.problems
    }

    private func message(_ number: Int) -> Message {
        Message(
            id: "conformance-\(number)", key: "key-\(number)", payload: payload(number), publishedAt: .now(),
            receivedAt: .now())
    }

    /// An answer for every message, and all of them delivered.
    private func answers(_ sink: Tested) async throws -> [String] {
        var found: [String] = []
        let early = await sink.write([message(0)])
        if early.count != 1 { found.append("write before open gave \(early.count) answers for 1 message") }
        try await sink.open()
        var number = 1
        for size in Set([0, 1, sink.capabilities.batch]).sorted() {
            let batch = (0..<size).map { message(number + $0) }
            number += size
            let outcomes = await sink.write(batch)
            if outcomes.count != size { found.append("write gave \(outcomes.count) answers for \(size) messages") }
            if let bad = outcomes.first(where: { $0 != .delivered }) {
                found.append("a message that it takes was answered with \(bad)")
            }
        }
        let strange = Message(id: "strange", payload: StrangePayload(), receivedAt: .now())
        let outcomes = await sink.write([strange])
        if outcomes.count != 1 { found.append("a payload that it does not know got \(outcomes.count) answers") }
        if Tested.declaration.takes != nil, Tested.declaration.takes != .bytes {
            guard case .permanent? = outcomes.first else {
                return found + ["a payload that it does not take was not answered with permanent"]
            }
        }
        return found
    }

    /// As many calls at once as it asks for, and one that is cancelled, are answered.
    private func bounds(_ sink: Tested) async -> [String] {
        var found: [String] = []
        if sink.capabilities.batch < 1 || sink.capabilities.inFlight < 1 {
            found.append("its capabilities let nothing be written")
        }
        let calls = min(sink.capabilities.inFlight, 16)
        let unanswered = await withTaskGroup(of: Int.self) { group in
            for call in 0..<calls {
                group.addTask { await sink.write([message(10_000 + call)]).filter { $0 == .delivered }.count }
            }
            return await group.reduce(calls, -)
        }
        if unanswered > 0 {
            found.append("of \(calls) calls at once, as it asks for, \(unanswered) were not delivered")
        }
        let cancelled = Task { await sink.write([message(20_000)]) }
        cancelled.cancel()
        guard let outcomes = await Patience.within(cancelled) else {
            return found + ["a write that was cancelled did not return"]
        }
        if outcomes.count != 1 {
            found.append("a write that was cancelled gave \(outcomes.count) answers for 1 message")
        }
        return found
    }

    /// Closing twice, writing when closed, and opening again.
    private func endings(_ sink: Tested) async -> [String] {
        await sink.close()
        await sink.close()
        let closed = await sink.write([message(30_000)])
        var found = closed.count == 1 ? [] : ["write after close gave \(closed.count) answers for 1 message"]
        do {
            try await sink.open()
            let outcomes = await sink.write([message(30_001)])
            if outcomes != [.delivered] { found.append("opened again it answered \(outcomes)") }
        } catch {
            found.append("it cannot be opened again after close: \(error)")
        }
        await sink.close()
        return found
    }

    /// Without what it writes to, nothing is delivered and nothing is given up; with it, it goes on.
    private func recovers(_ sink: Tested, _ outage: Outage) async throws -> [String] {
        var found: [String] = []
        try await outage.begin()
        var isOpen = true
        do {
            try await sink.open()
        } catch {
            isOpen = false
        }
        let outcomes = await sink.write([message(40_000)])
        if case .transient? = outcomes.first {} else { found.append("during an outage it answered \(outcomes)") }
        try await outage.end()
        if !isOpen { try await sink.open() }
        var last: [WriteOutcome] = []
        for _ in 0..<50 {
            last = await sink.write([message(40_001)])
            if last == [.delivered] { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        if last != [.delivered] { found.append("after an outage it answered \(last)") }
        await sink.close()
        return found
    }

    /// In a pipeline with little room: every message once, never more inside than there is room, never more asked of the sink than
    /// it takes.
    private func inPipeline(_ options: Options, _ names: MetricNames) async throws -> [String] {
        let count = 300, capacity = 8
        let watch = SinkWatch()
        let source = NumberSource(count: count) { message(50_000 + $0) }
        var kinds = registry
        kinds.add(.sink, Tested.declaration) { [make] options, context in
            let sink = try make(options, context)
            if let sink = sink as? any CompletingSink { return .sink(WatchedCompletingSink(sink, watch)) }
            return .sink(WatchedSink(sink, watch))
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
        var found: [String] = []
        let seen = watch.seen
        if pipeline.counts != ["delivered": count] {
            found.append("of \(count) messages in a pipeline there ended: \(pipeline.counts)")
        }
        if source.mostInside > capacity + 1 {
            found.append("\(source.mostInside) messages were inside a pipeline with room for \(capacity)")
        }
        if !seen.problems.isEmpty { found += seen.problems }
        return found
    }
}

/// A payload that no sink knows.
private struct StrangePayload: Payload {
    static let kind = PayloadKind("strange")
    func bytes(at now: Timestamp) -> [UInt8] { Array("{}".utf8) }
}
