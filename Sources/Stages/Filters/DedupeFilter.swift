import Locking
public import PipelineKit
import Wire

/// Stops messages that were written before.
public final class DedupeFilter: OutcomeObserver {
    private static let by = Option(
        optional: "by", .template,
        help: "what identifies a message, as in \"{config.url} {until}\"; by default its id")
    private static let window = Option(
        "window", .duration, default: .seconds(600), shown: "10m", help: "how long a message is remembered")
    private static let size = Option(
        "size", .int(1...10_000_000), default: 100_000,
        help: "how many messages are remembered; then the oldest is forgotten")

    public static let declaration = StageDeclaration(
        name: "dedupe",
        summary: "stops messages that were written before",
        details: """
            A message is remembered when it has succeeded: one that failed passes when it is sent again, and so does a duplicate while the
            first is being processed. The memory is that of this process.
            """,
        options: [by, window, size],
        example: """
            stages:
              - filter:
                  dedupe: {by: "{config.url} {until}", window: 10m}
            """)

    private struct Memory {
        var seen: [String: Timestamp] = [:]
        var order: Deque<(key: String, at: Timestamp)> = []
    }

    private let by: TemplateText?
    private let window: Duration
    private let size: Int
    private let now: @Sendable () -> Timestamp
    private let memory = Mutex(Memory())

    public init(_ options: Options, _ context: StageContext) throws {
        by = options[Self.by]
        window = options[Self.window]
        size = options[Self.size]
        now = context.now
    }

    /// Returns whether the message was not written within the window.
    public func admits(_ message: Message) throws -> Bool {
        let now = now()
        let record = RecordView(message, now: now)
        let key = try by?.text(record) ?? message.id
        return memory.withLock { memory in memory.seen[key].map { now - $0 > window } ?? true }
    }

    /// Remembers a message that succeeded.
    public func ended(_ message: Message, _ settlement: Settlement) {
        guard settlement.isSuccess else { return }
        let now = now()
        let record = RecordView(message, now: now)
        guard let key = try? by?.text(record) ?? message.id else { return }
        memory.withLock { memory in
            memory.seen[key] = now
            memory.order.append((key, now))
            while let oldest = memory.order.first, memory.order.count > size || now - oldest.at > window {
                _ = memory.order.popFirst()
                // It may have been written again since.
                if memory.seen[oldest.key] == oldest.at { memory.seen[oldest.key] = nil }
            }
        }
    }
}
