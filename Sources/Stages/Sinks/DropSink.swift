public import PipelineKit

/// Discards all messages.
public struct DropSink: Sink {
    public static let declaration = StageDeclaration(
        name: "drop",
        summary: "discards all messages",
        example: """
            sink: drop
            """)

    public let capabilities = SinkCapabilities(batch: 256, inFlight: 16)

    public init(_ options: Options, _ context: StageContext) throws {}

    /// Reports all messages as delivered.
    public func write(_ batch: [Message]) async -> [WriteOutcome] { Array(repeating: .delivered, count: batch.count) }
}
