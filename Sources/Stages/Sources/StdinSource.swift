import Locking
public import PipelineKit

/// Reads messages from standard input, one per line.
public final class StdinSource: Source {
    public static let declaration = StageDeclaration(
        name: "stdin",
        summary: "reads messages from standard input, one per line",
        details: "Ends with the input; the process then ends with 1 if a line was refused.",
        options: [LineReader.keyField, LineReader.maxLineBytes],
        produces: .bytes,
        example: """
            source: stdin
            """)

    private let reader: LineReader
    private let file: OpenFile

    public convenience init(_ options: Options, _ context: StageContext) throws {
        self.init(options, context, file: .standardInput)
    }

    init(_ options: Options, _ context: StageContext, file: OpenFile) {
        reader = LineReader(options, context)
        self.file = file
    }

    /// Reads to the end of the input.
    public func run(into intake: Intake) async throws {
        try await reader.run(file: file, name: "stdin", into: intake)
    }

    public func stop() async { reader.stop() }
}
