public import PipelineKit
import Wire

/// Lets through a share of the keys, always the same ones.
public struct SampleFilter: Filter {
    private static let percent = Option("percent", .number(0...100), help: "how many of a hundred keys go on")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "sample",
        summary: "lets a share of the keys through, always the same ones",
        details: """
            Whether a key is inside depends on nothing but the key, so a webhook is in or out with all its renewals, on every machine
            and after every restart. Whoever is inside 10 % is inside 20 %.
            """,
        options: [percent],
        shorthand: "percent",
        example: """
            stages:
              - name: ten-percent
                filter:
                  sample: {percent: 10}
            """)

    private let limit: Double

    /// A filter with a share.
    public init(_ options: Options, _ context: StageContext) throws { limit = options[Self.percent] / 100 }

    /// Whether the message's key is inside.
    public func admits(_ message: Message) throws -> Bool {
        // The upper 53 bits as a fraction of 1: the lower ones choose the lane.
        Double(stableHash(message.key) >> 11) * 0x1p-53 < limit
    }
}
