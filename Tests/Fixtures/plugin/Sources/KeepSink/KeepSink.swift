import Foundation
import PipelineKit

/// Keeps the last message of each key as a file of its own, named by the key: a small store of what is the case now.
public struct KeepSink: Sink {
    private static let folder = Option("folder", .path, help: "where the files are; created if it does not exist")

    public static let declaration = StageDeclaration(
        name: "keep",
        summary: "keeps the last message of each key in a file of its own",
        options: [folder],
        example: """
            sink:
              keep: {folder: webhooks}
            """)

    /// A message replaces the one before under its key, so one that waits may give way to a newer one.
    public let capabilities = SinkCapabilities(batch: 16, inFlight: 2, isUpsert: true)
    private let folder: URL

    /// A sink with options.
    public init(_ options: Options, _ context: StageContext) throws {
        folder = URL(fileURLWithPath: options[Self.folder])
    }

    /// Makes the folder.
    public func open() async throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// Writes each message into its file.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        batch.map { message in
            let name = message.key.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            guard (1...200).contains(name.utf8.count) else { return .permanent(reason: "the key makes no file name") }
            do {
                try Data(message.payload.bytes(at: message.receivedAt))
                    .write(to: folder.appendingPathComponent(name), options: .atomic)
                return .delivered
            } catch {
                return .transient(reason: "\(error)", retryAfter: nil)
            }
        }
    }
}
