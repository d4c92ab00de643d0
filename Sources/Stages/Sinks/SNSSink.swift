import AWS
import HTTP
import Locking
public import PipelineKit
import Telemetry
import Wire

/// Publishes messages to an Amazon SNS topic, up to ten in a call.
public final class SNSSink: Sink {
    private static let topicARN = Option("topicArn", TopicARN.type, help: "the topic")
    private static let subject = Option(optional: "subject", .template, help: "the subject, with placeholders")
    private static let attributes = Option(
        "attributes", .dictionary(of: .template), default: [:], shown: "",
        help: "additional attributes, with placeholders, such as scytale.env")
    private static let passesAttributes = Option(
        "passAttributes", .bool, default: false, help: "whether the message's attributes are published")
    private static let inFlight = Option(
        "inFlight", .int(1...64), default: 4, help: "the maximum number of concurrent calls")

    public static let declaration = StageDeclaration(
        name: "sns",
        summary: "publishes messages to an Amazon SNS topic",
        details: """
            A call holds up to ten messages and 256 KiB; a larger message is refused.
            """,
        options: [topicARN, subject, attributes, passesAttributes, inFlight] + AWSClientOptions.options,
        example: """
            sink:
              sns:
                topicArn: arn:aws:sns:us-east-1:123456789012:webhooks
                subject: new webhook
                attributes: {scytale.env: production}
            """)

    /// Ten messages per call, the limit of SNS.
    public let capabilities: SinkCapabilities
    private let topic: TopicARN
    private let subject: TemplateText?
    private let attributes: [String: TemplateText]
    private let passesAttributes: Bool
    private let aws: AWSClientOptions
    private let context: StageContext
    private let sent: Counter
    /// Nil while the sink is closed.
    private let connected = Mutex<(http: HTTPClient, service: SNSClient)?>(nil)

    public init(_ options: Options, _ context: StageContext) throws {
        topic = options[Self.topicARN]
        subject = options[Self.subject]
        attributes = options[Self.attributes]
        passesAttributes = options[Self.passesAttributes]
        aws = try AWSClientOptions(options, regionNamed: topic.region)
        capabilities = SinkCapabilities(batch: SNSClient.maximumBatchCount, inFlight: options[Self.inFlight])
        self.context = context
        sent = Counter(
            label: "xmidt_hecate_webhook_sns_notification_sent_count",
            dimensions: [("pipeline", context.pipeline), ("stage", context.stage)], factory: context.metrics)
    }

    private func client(_ client: HTTPClient) -> SNSClient {
        let transport = HTTPTransport.client(client)
        return SNSClient(
            region: aws.region, endpoint: aws.endpoint, credentials: aws.provider(transport),
            transport: transport, now: context.now)
    }

    public func open() async throws {
        let http = try HTTPClient(aws.configuration())
        let opened = (http, client(http))
        let previous = connected.withLock { connected in
            defer { connected = opened }
            return connected
        }
        await previous?.http.shutDown()
    }

    /// Publishes the messages.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        guard let sns = connected.withLock({ $0?.service }) else {
            return Array(repeating: .transient(reason: "the sink is closed", retryAfter: nil), count: batch.count)
        }
        let now = context.now()
        let outcomes = await BatchedPublishing.write(
            batch, at: now,
            prepare: { message in
                let record = RecordView(message, now: now)
                var attributes = passesAttributes ? message.attributes : [:]
                for (name, template) in self.attributes { attributes[name] = try template.text(record) }
                return (attributes, try subject?.text(record))
            },
            send: { entries in
                try await sns.publish(
                    entries.map { .init(message: $0.text, subject: $0.subject, attributes: $0.attributes) },
                    topicARN: topic.description)
            })
        sent.increment(by: outcomes.filter { $0 == .delivered }.count)
        return outcomes
    }

    /// Closes the connections and the journal.
    public func close() async {
        let last = connected.withLock { connected in
            defer { connected = nil }
            return connected
        }
        await last?.http.shutDown()
    }

    /// Checks that the topic exists.
    public func probe() async throws -> String {
        try await HTTPClient.with(aws.configuration()) {
            try await client($0).checkTopic(topic.description)
        }
        return "the topic exists"
    }
}
