import Foundation
public import PipelineKit
import Locking
import Wire

/// Appends messages to a file, one a line.
public final class FileSink: Sink {
    private static let path = Option("path", .path, help: "the file; made if it is not there")
    private static let sync = Option(
        "sync", .bool, default: false, help: "whether a message counts as delivered only when it is on the disk (fsync)"
    )

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "file",
        summary: "appends messages to a file, one a line",
        details: "Secrets that messages carry are written too: the file is made readable for its owner only.",
        options: [path, sync],
        example: """
            sink:
              file: {path: items.jsonl}
            """)

    /// One batch at a time, so that lines stay in order.
    public let capabilities = SinkCapabilities(batch: 256, inFlight: 1)
    private let path: String
    private let sync: Bool
    private let context: StageContext
    private let descriptor = Mutex<Int32?>(nil)

    /// A sink with options; the file is opened later.
    public init(_ options: Options, _ context: StageContext) throws {
        path = options[Self.path]
        sync = options[Self.sync]
        self.context = context
    }

    /// Opens the file.
    public func open() async throws {
        let opened = Foundation.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw FileDescriptorIO.systemError("the file '\(path)' cannot be written") }
        descriptor.withLock { $0 = opened }
    }

    /// Appends a line for each message. What was written in part is cut off again.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        let now = context.now()
        var lines: [UInt8] = []
        for message in batch { JSONLine.append(message.payload.bytes(at: now), to: &lines) }
        guard let descriptor = descriptor.withLock({ $0 }) else {
            return Array(repeating: .transient(reason: "the file is not open", retryAfter: nil), count: batch.count)
        }
        do {
            try await FileDescriptorIO.blocking { [lines, sync] in
                let end = lseek(descriptor, 0, SEEK_END)
                do {
                    try FileDescriptorIO.writeAll(lines, to: descriptor)
                    if sync, fsync(descriptor) != 0 { throw FileDescriptorIO.systemError("fsync failed") }
                } catch {
                    if end >= 0 { ftruncate(descriptor, end) }
                    throw error
                }
            }
            return Array(repeating: .delivered, count: batch.count)
        } catch {
            return Array(repeating: .transient(reason: "\(path): \(error)", retryAfter: nil), count: batch.count)
        }
    }

    /// Closes the file.
    public func close() async {
        let opened = descriptor.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
        if let opened { Foundation.close(opened) }
    }
}
