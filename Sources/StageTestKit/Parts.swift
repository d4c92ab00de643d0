import Locking
import PipelineKit
import Wire

/// How long the suites wait for what has to come to pass; generous, so that a busy machine is no reason to fail.
enum Patience {
    static let limit = Duration.seconds(300)

    /// The value of a task; nil where it does not end.
    static func within<Value: Sendable>(_ task: Task<Value, Never>) async -> Value? {
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

    /// Whether something comes to hold.
    static func until(_ holds: () -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + limit
        while !holds() {
            guard ContinuousClock.now < deadline else { return false }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return true
    }
}

/// A source of so many messages.
final class NumberSource: Source {
    static let declaration = StageDeclaration(name: "numbers", summary: "so many messages", example: "source: numbers")
    static let kind: StageRegistry.Kind = {
        var registry = StageRegistry()
        registry.add(.source, declaration) { options, context in .source(try NumberSource(options, context)) }
        return registry.kind(.source, declaration.name)!
    }()

    private struct Inside {
        var now = 0
        var most = 0
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

    var mostInside: Int { inside.withLock { $0.most } }

    func run(into intake: Intake) async throws {
        for number in 0..<count {
            try await intake.send(message(number)) { [self] _ in inside.withLock { $0.now -= 1 } }
            inside.withLock { inside in
                inside.now += 1
                inside.most = max(inside.most, inside.now)
            }
        }
    }

    func stop() async {}
}

/// What was asked of a sink.
final class SinkWatch: Sendable {
    struct Seen: Sendable {
        var calls = 0
        var keys: Set<String> = []
        var problems: [String] = []
    }

    private let state = Mutex(Seen())
    var seen: Seen { state.withLock { $0 } }

    func begins(_ batch: [Message], _ capabilities: SinkCapabilities) {
        state.withLock { seen in
            seen.calls += 1
            if seen.calls > capabilities.inFlight { seen.problems.append("\(seen.calls) writes were out at once") }
            if batch.count > capabilities.batch { seen.problems.append("\(batch.count) messages came in one write") }
            for message in batch where !seen.keys.insert(message.key).inserted {
                seen.problems.append("two messages of one key were written at once")
            }
        }
    }

    func ends(_ batch: [Message]) {
        state.withLock { seen in
            seen.calls -= 1
            for message in batch { seen.keys.remove(message.key) }
        }
    }
}

/// A sink that is watched.
final class WatchedSink: Sink {
    static let declaration = StageDeclaration(
        name: "watched", summary: "a sink that is watched", example: "sink: watched")
    private let sink: any Sink
    private let watch: SinkWatch
    var capabilities: SinkCapabilities { sink.capabilities }

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("made by the conformance suite only")
    }

    init(_ sink: any Sink, _ watch: SinkWatch) {
        self.sink = sink
        self.watch = watch
    }

    func open() async throws { try await sink.open() }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        watch.begins(batch, capabilities)
        let outcomes = await sink.write(batch)
        watch.ends(batch)
        return outcomes
    }

    func close() async { await sink.close() }
}

/// The same for one that tells by a closure, as the runner writes to it then.
struct WatchedCompletingSink: CompletingSink {
    static let declaration = WatchedSink.declaration
    private let sink: any CompletingSink
    private let watch: SinkWatch
    var capabilities: SinkCapabilities { sink.capabilities }

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("made by the conformance suite only")
    }

    init(_ sink: any CompletingSink, _ watch: SinkWatch) {
        self.sink = sink
        self.watch = watch
    }

    func open() async throws { try await sink.open() }

    func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void) {
        watch.begins(batch, capabilities)
        sink.write(batch) { [watch] outcomes in
            watch.ends(batch)
            done(outcomes)
        }
    }

    func close() async { await sink.close() }
}

/// A sink that answers nothing until it is opened up.
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

    /// Those that arrived.
    var ids: [String] { state.withLock { $0.ids } }
    /// How many wait.
    var waiting: Int { state.withLock { $0.waiting.count } }

    /// Lets everything through from now on.
    func letThrough() {
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
