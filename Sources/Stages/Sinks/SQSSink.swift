import AWS
import HTTP
import Locking
public import PipelineKit
import Wire

/// Sends messages to an Amazon SQS queue, up to ten in a call.
public final class SQSSink: Sink {
    private static let queueURL = Option("queueURL", QueueURL.type, help: "the queue")
    private static let inFlight = Option(
        "inFlight", .int(1...64), default: 4, help: "the maximum number of concurrent calls")

    public static let declaration = StageDeclaration(
        name: "sqs",
        summary: "sends messages to an Amazon SQS queue",
        details: """
            A call holds up to ten messages and 256 KiB; a larger message is refused. The message's attributes are sent as string
            attributes, the first ten by name. In a FIFO queue messages are grouped by their key, and one of the same id is sent once.
            """,
        options: [queueURL, inFlight] + AWSClientOptions.options,
        example: """
            sink:
              sqs: {queueURL: "https://sqs.us-east-1.amazonaws.com/123456789012/webhooks"}
            """)

    /// Ten messages per call, the limit of SQS.
    public let capabilities: SinkCapabilities
    private let queue: QueueURL
    private let aws: AWSClientOptions
    private let context: StageContext
    /// Nil while the sink is closed.
    private let connected = Mutex<(http: HTTPClient, service: SQSClient)?>(nil)

    public init(_ options: Options, _ context: StageContext) throws {
        queue = options[Self.queueURL]
        aws = try AWSClientOptions(options, regionNamed: queue.region)
        capabilities = SinkCapabilities(batch: SQSClient.maximumBatchCount, inFlight: options[Self.inFlight])
        self.context = context
    }

    private func client(_ client: HTTPClient) -> SQSClient {
        let transport = HTTPTransport.client(client)
        return SQSClient(
            queueURL: queue.description, region: aws.region, endpoint: aws.endpoint,
            credentials: aws.provider(transport), transport: transport, now: context.now)
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

    /// Sends the messages.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        guard let sqs = connected.withLock({ $0?.service }) else {
            return Array(repeating: .transient(reason: "the sink is closed", retryAfter: nil), count: batch.count)
        }
        return await BatchedPublishing.write(batch, at: context.now()) { entries in
            try await sqs.send(
                entries.map { .init(body: $0.text, attributes: $0.attributes) },
                groups: queue.isFIFO
                    ? entries.map { (BatchedPublishing.token($0.key), BatchedPublishing.token($0.id)) } : nil)
        }
    }

    /// Closes the connections and the journal.
    public func close() async {
        let last = connected.withLock { connected in
            defer { connected = nil }
            return connected
        }
        await last?.http.shutDown()
    }

    /// Reads how many messages are in the queue.
    public func probe() async throws -> String {
        let depth = try await HTTPClient.with(aws.configuration()) { try await client($0).approximateDepth() }
        return "the queue exists; about \(depth) messages wait"
    }
}
