import Glibc
import Locking
public import PipelineKit

/// Reads messages from a file, one per line.
public final class FileSource: Source {
    private static let path = Option("path", .path, help: "the file, JSON Lines")

    public static let declaration = StageDeclaration(
        name: "file",
        summary: "reads messages from a file, one per line",
        details: "Ends with the file; the process then ends with 1 if a line was refused.",
        options: [path, LineReader.keyField, LineReader.maxLineBytes],
        produces: .bytes,
        example: """
            source:
              file: {path: webhooks.jsonl}
            """)

    private let path: String
    private let reader: LineReader

    public init(_ options: Options, _ context: StageContext) throws {
        path = options[Self.path]
        reader = LineReader(options, context)
    }

    /// Reads to the end of the file.
    public func run(into intake: Intake) async throws {
        let file: OpenFile
        do {
            file = try OpenFile(reading: path)
        } catch let error as SystemError {
            throw FileDescriptorIO.systemError("the file '\(path)' cannot be read", error)
        }
        try await reader.run(file: file, name: path, into: intake)
    }

    /// Checks that the file can be read.
    public func probe() async throws -> String {
        guard access(path, R_OK) == 0 else {
            throw FileDescriptorIO.systemError("the file '\(path)' cannot be read")
        }
        return "the file can be read"
    }

    public func stop() async { reader.stop() }
}
