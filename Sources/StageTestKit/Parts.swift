import Locking
import PipelineKit
import Wire

/// The timeouts of the suites: generous, so that a busy machine does not fail them.
enum TimeLimit {
    static let limit = Duration.seconds(300)

    /// Returns the value of a task; nil if it does not end in time.
    static func value<Value: Sendable>(of task: Task<Value, Never>) async -> Value? {
        let results = AsyncStream.makeStream(of: Value?.self)
        Task { results.continuation.yield(await task.value) }
        let timer = Task {
            try await Task.sleep(for: limit)
            results.continuation.yield(nil)
        }
        defer { timer.cancel() }
        for await result in results.stream { return result }
        return nil
    }

    /// Waits until a condition holds. Returns false if it does not in time.
    static func wait(until holds: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + limit
        while !holds() {
            guard ContinuousClock.now < deadline else { return false }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return true
    }
}

/// A source of a given number of messages.
final class NumberSource: Source {
    static let declaration = StageDeclaration(name: "numbers", summary: "so many messages", example: "source: numbers")
    static let kind: StageRegistry.Kind = {
        var registry = StageRegistry()
        registry.add(.source, declaration) { options, context in .source(try NumberSource(options, context)) }
        return registry.kind(.source, declaration.name)!
    }()

    private struct Inside {
        var now = 0
        var maximum = 0
    }

    private let count: Int
    private let message: @Sendable (Int) -> Message
    private let inside = Mutex(Inside())

    convenience init(_ options: Options, _ context: StageContext) throws {
        self.init(count: 0) { Message(id: "\($0)", payload: Bytes([]), receivedAt: .now()) }
    }

    init(count: Int, message: @escaping @Sendable (Int) -> Message) {
        self.count = count
        self.message = message
    }

    var maximumInside: Int { inside.withLock { $0.maximum } }

    func run(into intake: Intake) async throws {
        for number in 0..<count {
            try await intake.send(message(number)) { [self] _ in inside.withLock { $0.now -= 1 } }
            inside.withLock { inside in
                inside.now += 1
                inside.maximum = max(inside.maximum, inside.now)
            }
        }
    }

    func stop() async {}
}

/// Records the calls of a sink.
final class SinkRecorder: Sendable {
    struct Record: Sendable {
        var calls = 0
        var keys: Set<String> = []
        var problems: [String] = []
    }

    private let state = Mutex(Record())
    var record: Record { state.withLock { $0 } }

    func begins(_ batch: [Message], _ capabilities: SinkCapabilities) {
        state.withLock { record in
            record.calls += 1
            if record.calls > capabilities.inFlight {
                record.problems.append("\(record.calls) writes were out at once")
            }
            if batch.count > capabilities.batch { record.problems.append("\(batch.count) messages came in one write") }
            for message in batch where !record.keys.insert(message.key).inserted {
                record.problems.append("two messages of one key were written at once")
            }
        }
    }

    func ends(_ batch: [Message]) {
        state.withLock { record in
            record.calls -= 1
            for message in batch { record.keys.remove(message.key) }
        }
    }
}

/// A sink that records its calls.
final class WatchedSink: Sink {
    static let declaration = StageDeclaration(
        name: "watched", summary: "a sink that is watched", example: "sink: watched")
    private let sink: any Sink
    private let recorder: SinkRecorder
    var capabilities: SinkCapabilities { sink.capabilities }

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("made by the conformance suite only")
    }

    init(_ sink: any Sink, _ recorder: SinkRecorder) {
        self.sink = sink
        self.recorder = recorder
    }

    func open() async throws { try await sink.open() }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        recorder.begins(batch, capabilities)
        let outcomes = await sink.write(batch)
        recorder.ends(batch)
        return outcomes
    }

    func close() async { await sink.close() }
}

/// Like `WatchedSink` for a `CompletingSink`.
struct WatchedCompletingSink: CompletingSink {
    static let declaration = WatchedSink.declaration
    private let sink: any CompletingSink
    private let recorder: SinkRecorder
    var capabilities: SinkCapabilities { sink.capabilities }

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("made by the conformance suite only")
    }

    init(_ sink: any CompletingSink, _ recorder: SinkRecorder) {
        self.sink = sink
        self.recorder = recorder
    }

    func open() async throws { try await sink.open() }

    func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void) {
        recorder.begins(batch, capabilities)
        sink.write(batch) { [recorder] outcomes in
            recorder.ends(batch)
            done(outcomes)
        }
    }

    func close() async { await sink.close() }
}

/// A sink that answers nothing until it is opened.
final class GatedSink: Sink {
    static let declaration = StageDeclaration(name: "gated", summary: "a sink behind a gate", example: "sink: gated")

    private struct State {
        var isOpen: Bool
        var ids: [String] = []
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    let capabilities = SinkCapabilities(batch: 1, inFlight: 1000)
    private let outcome: WriteOutcome
    private let state: Mutex<State>

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("made by the conformance suite only")
    }

    init(isOpen: Bool, outcome: WriteOutcome = .delivered) {
        self.outcome = outcome
        state = Mutex(State(isOpen: isOpen))
    }

    /// The ids of the messages that arrived.
    var ids: [String] { state.withLock { $0.ids } }
    /// How many calls wait.
    var waiting: Int { state.withLock { $0.waiting.count } }

    /// Answers all waiting and future calls.
    func openGate() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
        state.withLock { $0.ids += batch.map(\.id) }
        return batch.map { _ in outcome }
    }
}
