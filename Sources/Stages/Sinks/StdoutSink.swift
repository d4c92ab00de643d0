import Locking
public import PipelineKit
import Wire

/// Writes messages to standard output, one line each.
public struct StdoutSink: Sink {
    public static let declaration = StageDeclaration(
        name: "stdout",
        summary: "writes messages to standard output, one per line",
        details: "Secrets in messages are written, too. Logs go to standard error.",
        example: """
            sink: stdout
            """)

    /// One batch at a time, to keep lines in order.
    public let capabilities = SinkCapabilities(batch: 256, inFlight: 1)
    private let context: StageContext
    private let file: OpenFile

    public init(_ options: Options, _ context: StageContext) throws { self.init(context, file: .standardOutput) }

    init(_ context: StageContext, file: OpenFile) {
        self.context = context
        self.file = file
    }

    /// Writes a line for each message.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        let now = context.now()
        var lines: [UInt8] = []
        for message in batch { JSONLine.append(message.payload.bytes(at: now), to: &lines) }
        do {
            try await FileDescriptorIO.blocking { [lines, file] in
                try FileDescriptorIO.writeAll(lines, to: file)
            }
            return Array(repeating: .delivered, count: batch.count)
        } catch {
            return Array(repeating: .transient(reason: "\(error)", retryAfter: nil), count: batch.count)
        }
    }
}
