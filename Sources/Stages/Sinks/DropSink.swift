public import PipelineKit

/// Takes everything and keeps nothing.
public struct DropSink: Sink {
    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "drop",
        summary: "takes everything and keeps nothing",
        example: """
            sink: drop
            """)

    /// Large batches: nothing is done with them.
    public let capabilities = SinkCapabilities(batch: 256, inFlight: 16)

    /// A sink.
    public init(_ options: Options, _ context: StageContext) throws {}

    /// All are delivered.
    public func write(_ batch: [Message]) async -> [WriteOutcome] { Array(repeating: .delivered, count: batch.count) }
}
