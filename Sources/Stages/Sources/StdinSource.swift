public import PipelineKit

/// Reads messages from standard input, one a line.
public final class StdinSource: Source {
    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "stdin",
        summary: "reads messages from standard input, one a line",
        details: "Ends with the input; the process then ends with 1 if a line was refused.",
        options: [LineReader.keyField, LineReader.maxLineBytes],
        makes: .bytes,
        example: """
            source: stdin
            """)

    private let reader: LineReader

    /// A source with options.
    public init(_ options: Options, _ context: StageContext) throws { reader = LineReader(options, context) }

    /// Reads to the end of the input.
    public func run(into intake: Intake) async throws {
        try await reader.run(descriptor: 0, name: "stdin", into: intake)
    }

    /// Reads no further.
    public func stop() async { reader.stop() }
}
