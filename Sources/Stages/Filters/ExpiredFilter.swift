public import PipelineKit
import Webhooks
import Wire

/// Stops expired registrations.
public struct ExpiredFilter: Filter {
    private static let margin = Option(
        "margin", .duration, default: .zero, shown: "0s", help: "also stops registrations that expire within this time")

    public static let declaration = StageDeclaration(
        name: "expired",
        summary: "stops expired webhook registrations",
        details: """
            A registration expires at its until, or its duration after it was published. Anything that is no registration passes: the
            transform that needs one will report the error.
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

    public init(_ options: Options, _ context: StageContext) throws {
        margin = options[Self.margin]
        now = context.now
    }

    /// Returns whether the registration has not expired.
    public func admits(_ message: Message) throws -> Bool {
        let webhook = try? Webhook(
            json: message.payload.bytes(at: message.receivedAt), publishedAt: message.originatedAt,
            rules: WebhookRules())
        guard let webhook else { return true }
        return webhook.until.timestamp - now() > margin
    }
}
