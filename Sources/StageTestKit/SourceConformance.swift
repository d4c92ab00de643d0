import PipelineFile
public import PipelineKit
import Telemetry
import Wire

/// The conformance suite for sources. Independent of a test framework: it returns what it found.
///
/// Checks the declaration, stopping before, while and after running, that every message arrives once, back-pressure,
/// how a refused message is answered, and the names of metrics.
public struct SourceConformance<Tested: Source>: Sendable {
    /// Sends messages to the source from outside.
    public struct MessageFeed: Sendable {
        let bring: @Sendable (Int) async throws -> Bool?

        /// - Parameter bring: sends the message with a number; returns whether the source accepted it, nil if it does
        ///   not answer.
        public init(_ bring: @escaping @Sendable (Int) async throws -> Bool?) { self.bring = bring }
    }

    private let options: String
    private let feed: MessageFeed?
    private let count: Int
    private let makeSource: @Sendable (Options, StageContext) throws -> Tested

    /// Makes a suite for a kind of source.
    ///
    /// - Parameters:
    ///   - options: its options as in a pipeline file.
    ///   - feed: sends messages to it; nil for a source that has messages and ends with them.
    ///   - count: how many messages are sent to it, or that it has.
    ///   - make: makes the source, if it must not read its usual origin.
    public init(
        _ type: Tested.Type, options: String, feed: MessageFeed? = nil, count: Int = 12,
        make: @escaping @Sendable (Options, StageContext) throws -> Tested = { try Tested($0, $1) }
    ) {
        makeSource = make
        self.options = options
        self.feed = feed
        self.count = count
    }

    /// Runs all checks.
    ///
    /// - Returns: the violations as sentences; empty if there are none.
    public func check() async -> [String] {
        var registry = StageRegistry()
        registry.register(Tested.self)
        var problems = Declarations.check(Tested.declaration, role: .source, registry: registry)
        let names = MetricNames()
        do {
            let read = try Declarations.options(options, of: Tested.declaration, registry: registry)
            problems += try await stopsBeforeRunning(read, names)
            problems += try await everyMessageOnce(read, names)
            problems += try await appliesBackPressure(read, names)
            if feed != nil { problems += try await refused(read, names) }
        } catch {
            problems.append("it cannot be used with these options: \(error)")
        }
        return problems + names.problems
    }

    private func make(_ options: Options, _ names: MetricNames) throws -> Tested {
        try makeSource(options, Declarations.context(Tested.declaration.name, names))
    }

    private func pipeline(
        _ source: Tested, _ options: Options, _ sink: GatedSink, capacity: Int, _ names: MetricNames
    ) throws -> Pipeline {
        var kinds = StageRegistry()
        kinds.register(Tested.self)
        kinds.add(.sink, GatedSink.declaration) { _, _ in .sink(sink) }
        let name = Tested.declaration.name
        let spec = PipelineSpec(
            name: "conformance",
            source: .init(name: name, kind: kinds.kind(.source, name)!, options: options, location: nil), stages: [],
            sink: .init(
                name: "gated", kind: kinds.kind(.sink, "gated")!, options: Options(), location: nil),
            settings: RunnerSettings(
                lanes: 2, capacity: capacity, retry: RetryPolicy(initial: .milliseconds(1), max: .milliseconds(10))))
        var diagnostics = Diagnostics()
        let built = spec.build(
            logger: Declarations.logger, metrics: names, replacingSource: source, &diagnostics)
        guard let pipeline = built else { throw StageError("\(diagnostics.all.map(\.message))") }
        return pipeline
    }

    private func stopsBeforeRunning(_ options: Options, _ names: MetricNames) async throws -> [String] {
        let source = try make(options, names)
        await source.stop()
        let pipeline = try pipeline(source, options, GatedSink(isOpen: true), capacity: 8, names)
        let run = Task { try await pipeline.run() }
        guard await TimeLimit.value(of: Task { _ = await run.result }) != nil else {
            return ["stopped before it ran, it did not end"]
        }
        return []
    }

    private func everyMessageOnce(_ options: Options, _ names: MetricNames) async throws -> [String] {
        let source = try make(options, names)
        let sink = GatedSink(isOpen: true)
        let pipeline = try pipeline(source, options, sink, capacity: 64, names)
        let run = Task { try await pipeline.run() }
        var problems: [String] = []
        if let feed {
            let answers = try await bring(feed, 0..<count)
            if answers.contains(false) { problems.append("a message that was delivered was told to have failed") }
            if await !TimeLimit.wait(until: { sink.ids.count >= count }) {
                problems.append("of \(count) messages \(sink.ids.count) arrived")
            }
            await pipeline.stop()
            await source.stop()
        }
        guard await TimeLimit.value(of: Task { _ = await run.result }) != nil else {
            return problems + ["it did not end when it was stopped, or when it had no more"]
        }
        await source.stop()
        if sink.ids.count != count { problems.append("\(count) messages were there, \(sink.ids.count) arrived") }
        return problems
    }

    /// Applies back-pressure to many messages at once, and delivers all in the end.
    private func appliesBackPressure(_ options: Options, _ names: MetricNames) async throws -> [String] {
        let source = try make(options, names)
        let sink = GatedSink(isOpen: false)
        let capacity = 4
        let pipeline = try pipeline(source, options, sink, capacity: capacity, names)
        let run = Task { try await pipeline.run() }
        let feeding = feed.map { feed in Task { try await bring(feed, 1000..<1000 + count) } }
        var problems: [String] = []
        if await !TimeLimit.wait(until: { sink.waiting >= min(capacity, count) }) {
            problems.append("with room for \(capacity), only \(sink.waiting) messages came")
        }
        try await Task.sleep(for: .milliseconds(50))
        if sink.waiting > capacity {
            problems.append("\(sink.waiting) messages were inside where there is room for \(capacity)")
        }
        sink.openGate()
        _ = try await feeding?.value
        if await !TimeLimit.wait(until: { Set(sink.ids).count >= count }) {
            problems.append("after it was held back, of \(count) messages \(Set(sink.ids).count) arrived")
        }
        await pipeline.stop()
        if await TimeLimit.value(of: Task { _ = await run.result }) == nil {
            problems.append("it did not end when it was stopped")
        }
        return problems
    }

    /// Reports a refusal to its sender, if it answers at all.
    private func refused(_ options: Options, _ names: MetricNames) async throws -> [String] {
        guard let feed else { return [] }
        let source = try make(options, names)
        let pipeline = try pipeline(
            source, options, GatedSink(isOpen: true, outcome: .permanent(reason: "refused on purpose")), capacity: 8,
            names)
        let run = Task { try await pipeline.run() }
        let answers = try await bring(feed, 2000..<2001)
        var problems = answers.contains(true) ? ["a message that was refused was told to be taken"] : []
        await pipeline.stop()
        if await TimeLimit.value(of: Task { _ = await run.result }) == nil {
            problems.append("it did not end when it was stopped")
        }
        return problems
    }

    /// Sends messages concurrently, and retries while the source does not listen yet.
    private func bring(_ feed: MessageFeed, _ numbers: Range<Int>) async throws -> [Bool] {
        try await withThrowingTaskGroup(of: Bool?.self) { group in
            for number in numbers {
                group.addTask {
                    for attempt in 0... {
                        do {
                            return try await feed.bring(number)
                        } catch  where attempt < 500 {
                            try await Task.sleep(for: .milliseconds(20))
                        }
                    }
                    return nil
                }
            }
            return try await group.reduce(into: [Bool]()) { if let answers = $1 { $0.append(answers) } }
        }
    }
}
