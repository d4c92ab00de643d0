import Glibc
import Locking
public import PipelineKit
import Wire

/// Appends messages to a file, one line each.
public final class FileSink: Sink {
    private static let path = Option("path", .path, help: "the file; created if it does not exist")
    private static let sync = Option(
        "sync", .bool, default: false, help: "whether messages are delivered only when they are on disk (fsync)"
    )
    private static let size = Option(optional: "size", .byteCount, help: "rotate before the file exceeds this size")
    private static let every = Option(
        optional: "every", .duration, help: "rotate before a write when the file is older than this")
    private static let keep = Option(
        optional: "keep", .int(0...100_000), help: "how many rotated files are kept; by default all")
    private static let compress = Option(
        "compress", .bool, default: false, help: "whether rotated files are compressed (gzip)")
    private static let rotate = Option(
        optional: "rotate", .group("rotate", [size, every, keep, compress]),
        help: "when the file is rotated; the time is added to its name")

    public static let declaration = StageDeclaration(
        name: "file",
        summary: "appends messages to a file, one per line",
        details: "Secrets in messages are written, too: a new file is readable by its owner only.",
        options: [path, sync, rotate],
        example: """
            sink:
              file: {path: items.jsonl, rotate: {size: 100MiB, every: 24h, keep: 30, compress: true}}
            """)

    /// One batch at a time, to keep lines in order.
    public let capabilities = SinkCapabilities(batch: 256, inFlight: 1)
    private let path: String
    private let sync: Bool
    private let rotation: RotatingFile.RotationPolicy?
    private let context: StageContext
    private let file = Mutex<RotatingFile?>(nil)

    public init(_ options: Options, _ context: StageContext) throws {
        path = options[Self.path]
        sync = options[Self.sync]
        rotation = try options[Self.rotate].map { rotate in
            guard rotate[Self.size] != nil || rotate[Self.every] != nil else {
                throw OptionError(
                    "'rotate' needs 'size' or 'every', or the file is never rotated",
                    at: options.location(of: Self.rotate))
            }
            return RotatingFile.RotationPolicy(
                size: rotate[Self.size], age: rotate[Self.every], keep: rotate[Self.keep],
                compresses: rotate[Self.compress])
        }
        self.context = context
    }

    public func open() async throws {
        let opened = try RotatingFile(path: path, rotation: rotation, now: context.now())
        let previous = file.withLock { file in
            defer { file = opened }
            return file
        }
        previous?.close()
    }

    /// Appends a line for each message. Removes a partial write.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        let now = context.now()
        var lines: [UInt8] = []
        for message in batch { JSONLine.append(message.payload.bytes(at: now), to: &lines) }
        do {
            try await FileDescriptorIO.blocking { [self, lines] in
                try file.withLock { file in
                    guard file != nil else { throw StageError("the file is not open") }
                    try file?.append(lines, sync: sync, now: now)
                }
            }
            return Array(repeating: .delivered, count: batch.count)
        } catch {
            return Array(repeating: .transient(reason: "\(path): \(error)", retryAfter: nil), count: batch.count)
        }
    }

    public func close() async {
        let opened = file.withLock { file in
            defer { file = nil }
            return file
        }
        opened?.close()
    }

    /// Checks that the file can be written or created.
    public func probe() async throws -> String {
        let isThere = Files.exists(path)
        guard access(isThere ? path : Files.parent(of: path), W_OK) == 0 else {
            throw FileDescriptorIO.systemError("the file '\(path)' cannot be written")
        }
        return isThere ? "the file can be appended to" : "the file can be created"
    }
}
