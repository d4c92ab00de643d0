import Locking
import Telemetry

extension StageContext {
    /// Makes a sink that is nested in this stage, such as those of a `fan-out`.
    ///
    /// The result enforces the sink's capabilities, whatever it is given: the batch size, the number of concurrent
    /// calls, one `open`. Its metrics carry the name `STAGE.SINK`.
    /// - Parameter name: another name for metrics and logs.
    /// - Throws: `OptionError`, with its location, if the sink's options do not fit together.
    public func makeSink(_ spec: PipelineSpec.StageSpec, named name: String? = nil) throws -> any Sink {
        var nested = self
        nested.stage = name ?? "\(stage).\(spec.name)"
        nested.logger[metadataKey: "stage"] = "\(nested.stage)"
        do {
            guard case .sink(let sink) = try spec.kind.make(spec.options, nested) else {
                throw OptionError("\(spec.kind.title) is no sink", at: spec.location)
            }
            return NestedSink(sink, nested)
        } catch {
            let location = (error as? OptionError)?.location ?? spec.location
            throw OptionError("\(spec.kind.title): \(error)", at: location)
        }
    }
}

/// A sink nested in another stage. Thread-safe.
final class NestedSink: Sink {
    static let declaration = StageDeclaration(name: "nested", summary: "a sink nested in another stage", example: "")

    private struct State {
        var isOpen = false
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    let capabilities: SinkCapabilities
    private let sink: any Sink
    private let metrics: SinkMetrics
    private let clock = MonotonicClock.system
    private let state: Mutex<State>

    init(_ options: Options, _ context: StageContext) throws {
        throw OptionError("this sink can only be nested in other stages")
    }

    init(_ sink: any Sink, _ context: StageContext) {
        self.sink = sink
        capabilities = sink.capabilities
        metrics = SinkMetrics(pipeline: context.pipeline, stage: context.stage, factory: context.metrics)
        state = Mutex(State(free: max(1, sink.capabilities.inFlight)))
    }

    func open() async throws {
        guard !state.withLock({ $0.isOpen }) else { return }
        try await sink.open()
        state.withLock { $0.isOpen = true }
    }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        let size = max(1, capabilities.batch)
        var outcomes: [WriteOutcome] = []
        for start in stride(from: 0, to: batch.count, by: size) {
            let part = Array(batch[start..<min(start + size, batch.count)])
            await acquire()
            let started = clock.nanoseconds()
            var partOutcomes = await sink.write(part)
            release()
            while partOutcomes.count < part.count {
                partOutcomes.append(
                    .transient(reason: "the sink returned no outcome for this message", retryAfter: nil))
            }
            metrics.recordWrites(partOutcomes, duration: clock.nanoseconds() - started)
            outcomes += partOutcomes.prefix(part.count)
        }
        return outcomes
    }

    func close() async {
        let wasOpen = state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen
        }
        if wasOpen { await sink.close() }
    }

    func probe() async throws -> String { try await sink.probe() }

    private func acquire() async {
        let isFree = state.withLock { state in
            guard state.free > 0 else { return false }
            state.free -= 1
            return true
        }
        if isFree { return }
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func release() {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
