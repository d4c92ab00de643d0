public import PipelineKit
import Webhooks
import Wire

/// Stops registrations that have ended.
public struct ExpiredFilter: Filter {
    private static let margin = Option(
        "margin", .duration, default: .zero, shown: "0s", help: "stops also what has less than this left")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "expired",
        summary: "stops webhook registrations that have ended",
        details: """
            A registration ends at its until; one without ends its duration after it was published. What is no registration goes on:
            the transform that needs one will say what is wrong with it.
            """,
        options: [margin],
        shorthand: "margin",
        accepts: .bytes,
        example: """
            stages:
              - filter:
                  expired: {margin: 1m}
            """)

    private let margin: Duration
    private let now: @Sendable () -> Timestamp

    /// A filter with a margin.
    public init(_ options: Options, _ context: StageContext) throws {
        margin = options[Self.margin]
        now = context.now
    }

    /// Whether the registration lives on.
    public func admits(_ message: Message) throws -> Bool {
        let webhook = try? Webhook(
            json: message.payload.bytes(at: message.receivedAt), publishedAt: message.originatedAt,
            rules: WebhookRules())
        guard let webhook else { return true }
        return webhook.until.timestamp - now() > margin
    }
}
