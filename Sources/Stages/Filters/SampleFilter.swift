public import PipelineKit
import Wire

/// Passes a fixed share of the keys.
public struct SampleFilter: Filter {
    private static let percent = Option("percent", .number(0...100), help: "the percentage of keys that pass")

    public static let declaration = StageDeclaration(
        name: "sample",
        summary: "passes a fixed share of the keys",
        details: """
            Whether a key passes depends only on the key, so a webhook passes with all its renewals or not at all, on every machine and
            after every restart. The keys in 10 % are also in 20 %.
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

    public init(_ options: Options, _ context: StageContext) throws { limit = options[Self.percent] / 100 }

    /// Returns whether the key is in the sample.
    public func admits(_ message: Message) throws -> Bool {
        // The upper 53 bits as a fraction of 1. The lower bits choose the lane.
        Double(stableHash(message.key) >> 11) * 0x1p-53 < limit
    }
}
