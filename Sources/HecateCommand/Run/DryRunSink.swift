import Locking
import PipelineKit
import Wire

/// Replaces the sink in a dry run: prints what would be written, without the secrets of webhooks.
struct DryRunSink: Sink {
    static let declaration = StageDeclaration(name: "dry-run", summary: "prints what would be written", example: "")

    let capabilities = SinkCapabilities(batch: 256, inFlight: 1)

    init(_ options: Options, _ context: StageContext) throws {}
    init() {}

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        var lines = ""
        for message in batch {
            let bytes = message.payload.bytes(at: .now())
            lines += "would write \(type(of: message.payload).kind) \(message.key): \(SecretMask.masked(bytes).text)\n"
        }
        do {
            try OpenFile.standardOutput.write(lines.utf8)
        } catch {
            return Array(repeating: .transient(reason: "\(error)", retryAfter: nil), count: batch.count)
        }
        return Array(repeating: .delivered, count: batch.count)
    }
}
