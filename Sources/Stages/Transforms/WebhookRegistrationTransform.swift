public import PipelineKit
import Webhooks
import Wire

/// Validates and completes a registration as Tr1d1um does before it publishes one.
public struct WebhookRegistrationTransform: Transform {
    enum DurationRule: String, CaseIterable, Sendable { case fixed, keep }

    private static let duration = Option(
        "duration", OptionType<DurationRule>.choice, default: .fixed, shown: "fixed",
        help: "whether each gets a duration of 300 s, as in Tr1d1um of the SNS era, or keeps its own")
    private static let addressFrom = Option(
        "addressFrom", .string, default: "http.remoteAddress",
        help: "the attribute with the client's address, for registrations without one")

    public static let declaration = StageDeclaration(
        name: "webhook-registration",
        summary: "validates and completes a webhook registration as Tr1d1um does",
        details: """
            Takes what a listener posts to Tr1d1um (an object, or an array whose first element counts) and makes the record that Tr1d1um
            0.5 publishes: config.url and events have to be there; matcher.device_id becomes [".*"], registered_from_address the
            caller's address, duration 300 s in nanoseconds and until that much from now where they are missing. The message's key
            becomes config.url.
            """,
        options: [duration, addressFrom],
        accepts: .bytes, produces: .bytes,
        example: """
            stages:
              - transform: webhook-registration
            """)

    private let rules: WebhookRules
    private let attribute: String

    public init(_ options: Options, _ context: StageContext) throws {
        rules = WebhookRules(bareDuration: .seconds, keepDuration: options[Self.duration] == .keep)
        attribute = options[Self.addressFrom]
    }

    /// Returns the message with the completed record.
    public func transform(_ message: Message) throws -> [Message] {
        var webhook = try Webhook(
            json: message.payload.bytes(at: message.receivedAt), publishedAt: message.originatedAt, rules: rules)
        if webhook.registeredFromAddress.isEmpty { webhook.registeredFromAddress = message.attributes[attribute] ?? "" }
        var completed = message
        completed.payload = Bytes(webhook.record(schema: .webhook))
        completed.key = webhook.url
        return [completed]
    }
}
