import Locking
public import PipelineKit
import Telemetry

/// Writes each message to a primary sink, and a copy of what it accepted to a mirror that may fail.
public final class MirrorSink: Sink {
    private static let main = Option("sink", .sink, help: "the primary sink")
    private static let copy = Option("copy", .sink, help: "the sink that gets copies")
    private static let queue = Option(
        "queue", .int(1...1_000_000), default: 1024, help: "how many copies may wait; further ones are lost and counted"
    )

    public static let declaration = StageDeclaration(
        name: "mirror",
        summary: "writes each message to a sink, and a copy to another that may fail",
        details: """
            Only the first sink's outcome counts. What it accepted is copied to the second. Copies that fail are counted
            (xmidt_hecate_mirror_lost_total), never retried, and never delay anything.
            """,
        options: [main, copy, queue],
        example: """
            sink:
              mirror:
                sink: {argus: {address: "http://localhost:6600"}}
                copy: {argus: {address: "http://new-argus:6600"}}
            """)

    private struct Copies {
        var waiting: Deque<Message> = []
        var writer: Task<Void, Never>?
        var isClosed = true
    }

    /// How long copies may still take when the sink is closed.
    private static let closeTimeout = Duration.seconds(5)

    /// The capabilities of the primary sink.
    public let capabilities: SinkCapabilities
    private let sink: any Sink
    private let copy: any Sink
    private let limit: Int
    private let lost: Counter
    private let logger: Logger
    private let copies = Mutex(Copies())

    public init(_ options: Options, _ context: StageContext) throws {
        let sinks = try SinkGroup.make([options[Self.main], options[Self.copy]], context)
        (sink, copy) = (sinks[0], sinks[1])
        capabilities = sink.capabilities
        limit = options[Self.queue]
        logger = context.logger
        lost = Counter(
            label: "xmidt_hecate_mirror_lost_total",
            dimensions: [("pipeline", context.pipeline), ("stage", context.stage)], factory: context.metrics)
    }

    /// Opens the primary sink. The mirror is opened with its first copy.
    public func open() async throws {
        try await sink.open()
        copies.withLock { $0.isClosed = false }
    }

    /// Writes to the primary sink and queues the copies.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        let outcomes = await sink.write(batch)
        enqueue(zip(batch, outcomes).filter { $0.1 == .delivered }.map(\.0))
        return outcomes
    }

    private func enqueue(_ messages: [Message]) {
        guard !messages.isEmpty else { return }
        let tooMany = copies.withLock { copies in
            guard !copies.isClosed else { return messages.count }
            let free = max(0, limit - copies.waiting.count)
            for message in messages.prefix(free) { copies.waiting.append(message) }
            if copies.writer == nil { copies.writer = Task { await writeCopies() } }
            return max(0, messages.count - free)
        }
        recordLost(tooMany, "too many copies wait")
    }

    private func writeCopies() async {
        while true {
            let batch: [Message] = copies.withLock { copies in
                var batch: [Message] = []
                while batch.count < max(1, copy.capabilities.batch), let next = copies.waiting.popFirst() {
                    batch.append(next)
                }
                if batch.isEmpty { copies.writer = nil }
                return batch
            }
            if batch.isEmpty { return }
            do {
                try await copy.open()
                for case .transient(let reason, _) in await failures(of: batch) { recordLost(1, reason) }
            } catch {
                recordLost(batch.count, "\(error)")
            }
        }
    }

    /// Returns the outcomes of the mirror for lost copies, all as transient.
    private func failures(of batch: [Message]) async -> [WriteOutcome] {
        await copy.write(batch).compactMap { outcome in
            switch outcome {
            case .delivered, .expired, .superseded: nil
            case .transient: outcome
            case .permanent(let reason): .transient(reason: reason, retryAfter: nil)
            }
        }
    }

    private func recordLost(_ count: Int, _ reason: String) {
        guard count > 0 else { return }
        lost.increment(by: count)
        logger.debug("copies were lost", metadata: ["count": "\(count)", "reason": "\(reason)"])
    }

    /// Closes both sinks after writing the queued copies, for some seconds at most.
    public func close() async {
        let writer = copies.withLock { copies in
            copies.isClosed = true
            return copies.writer
        }
        await sink.close()
        if let writer {
            let deadline = Task {
                try? await Task.sleep(for: Self.closeTimeout)
                let left = copies.withLock { copies in
                    defer { copies.waiting = [] }
                    return copies.waiting.count
                }
                recordLost(left, "the pipeline has ended")
            }
            await writer.value
            deadline.cancel()
        }
        await copy.close()
    }

    public func probe() async throws -> String { try await SinkGroup.probe([sink, copy], ["sink", "copy"]) }
}
