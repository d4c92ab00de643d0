import AWS
import HTTP
import Locking
public import PipelineKit
import Telemetry
import Wire

/// Receives messages from an Amazon SQS queue by long polling.
public final class SQSSource: Source {
    enum Format: String, CaseIterable, Sendable { case auto, envelope, raw }

    /// SQS redelivers a message that was not deleted.
    public static let redelivers = true

    private static let queueURL = Option("queueURL", QueueURL.type, help: "the queue")
    private static let form = Option(
        "form", OptionType<Format>.choice, default: .auto, shown: "auto",
        help: "whether a body is the message (raw) or an SNS envelope; auto detects it")
    private static let topicARN = Option(
        optional: "topicArn", TopicARN.type, help: "the required topic of envelopes; by default any")
    private static let verifySignature = Option(
        "verifySignature", .bool, default: true,
        help: "whether signatures of envelopes are verified; false if the queue's policy allows only SNS to send")
    private static let pollers = Option(
        "pollers", .int(1...32), default: 2, help: "the number of concurrent polls")
    private static let wait = Option(
        "wait", .duration, default: .seconds(20), shown: "20s",
        help: "how long a poll waits for a message, at most 20s")
    private static let visibility = Option(
        "visibility", .duration, default: .seconds(30), shown: "30s",
        help: "the visibility timeout; extended while a message is in the pipeline")

    public static let declaration = StageDeclaration(
        name: "sqs",
        summary: "receives messages from an Amazon SQS queue",
        details: """
            A message is deleted when it is delivered, filtered on purpose, or on disk. One that should come again is made visible again
            after a pause; one that can never succeed is left alone, so that the queue's redrive policy moves it to its dead-letter queue,
            unless the pipeline has dead letters of its own. What the queue was just giving out when the source is stopped comes again after its
            visibility timeout. While a message is inside, nobody else is given it. Any number of gateways
            can share one queue.
            """,
        options: [
            queueURL, form, topicARN, verifySignature, SNSSourceOptions.trustedCertificateURLs, pollers, wait,
            visibility, SNSSourceOptions.keyField,
        ] + AWSClientOptions.options,
        produces: .bytes,
        example: """
            source:
              sqs: {queueURL: "https://sqs.us-east-1.amazonaws.com/123456789012/webhooks"}
            """)

    private let queue: QueueURL
    private let form: Format
    private let topicARN: String?
    private let verifiesSignature: Bool
    private let policy: CertificateURLPolicy
    private let pollers: Int
    private let wait: Duration
    private let visibility: Duration
    private let key: FieldPath
    private let aws: AWSClientOptions
    private let context: StageContext
    private let received: Counter
    private let failures: Counter
    private struct State {
        var isStopped = false
        var polls: [Int: Task<[SQSClient.ReceivedMessage], any Error>] = [:]
        var lastError: String?
    }
    private let state = Mutex(State())

    public init(_ options: Options, _ context: StageContext) throws {
        queue = options[Self.queueURL]
        form = options[Self.form]
        topicARN = options[Self.topicARN]?.description
        verifiesSignature = options[Self.verifySignature]
        do {
            policy = try CertificateURLPolicy(trustedPrefixes: options[SNSSourceOptions.trustedCertificateURLs])
        } catch {
            throw OptionError(
                "trustedCertificateURLs: \(error)", at: options.location(of: SNSSourceOptions.trustedCertificateURLs))
        }
        pollers = options[Self.pollers]
        wait = options[Self.wait]
        visibility = options[Self.visibility]
        guard wait <= .seconds(20) else {
            throw OptionError("'wait' must be at most 20s", at: options.location(of: Self.wait))
        }
        guard visibility >= .seconds(3), visibility <= .seconds(43_200) else {
            throw OptionError("'visibility' must be from 3s to 12h", at: options.location(of: Self.visibility))
        }
        key = options[SNSSourceOptions.keyField]
        aws = try AWSClientOptions(options, regionNamed: queue.region)
        self.context = context
        let dimensions = [("pipeline", context.pipeline), ("stage", context.stage)]
        received = Counter(
            label: "xmidt_hecate_queue_received_total", dimensions: dimensions, factory: context.metrics)
        failures = Counter(
            label: "xmidt_hecate_queue_call_failures_total", dimensions: dimensions, factory: context.metrics)
    }

    /// Ready while the queue can be polled.
    public var readiness: Readiness {
        state.withLock { $0.lastError }.map { .notReady("the queue cannot be polled: \($0)") } ?? .ready
    }

    /// Polls until it is stopped. Returns when all received messages are settled.
    public func run(into intake: Intake) async throws {
        // Each poller occupies a connection while it waits; deletes and visibility changes use others.
        try await HTTPClient.with(aws.configuration(connections: pollers + 8)) { client in
            let transport = HTTPTransport.client(client)
            let sqs = self.client(transport)
            let verifier = SNSVerifier(policy: policy, transport: transport, now: context.now)
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<pollers {
                    group.addTask { await self.poll(number, sqs, verifier, intake) }
                }
            }
        }
    }

    /// Cancels the pending polls.
    public func stop() async {
        let polls = state.withLock { state in
            state.isStopped = true
            return state.polls.values
        }
        for poll in polls { poll.cancel() }
    }

    /// Reads how many messages are in the queue.
    public func probe() async throws -> String {
        let depth = try await HTTPClient.with(aws.configuration()) {
            try await client(HTTPTransport.client($0)).approximateDepth()
        }
        return "the queue exists; about \(depth) messages wait"
    }

    private func client(_ transport: HTTPTransport) -> SQSClient {
        SQSClient(
            queueURL: queue.description, region: aws.region, endpoint: aws.endpoint,
            credentials: aws.provider(transport), transport: transport, now: context.now)
    }

    /// Receives and processes one batch after the other. Asks for the next while the last is in the pipeline, whose
    /// credits bound how many are.
    private func poll(_ number: Int, _ sqs: SQSClient, _ verifier: SNSVerifier, _ intake: Intake) async {
        var pause = Duration.milliseconds(200)
        await withTaskGroup(of: Void.self) { inside in
            while let batch = await receive(number, sqs, pause: &pause) {
                for received in batch {
                    self.received.increment()
                    // Submitted when there is a free credit. The visibility timeout is extended meanwhile.
                    let admission = AsyncStream.makeStream(of: Void.self)
                    inside.addTask { await self.handle(received, sqs, verifier, intake, admission.continuation) }
                    for await _ in admission.stream { break }
                }
            }
        }
    }

    /// Returns the next messages; nil when stopped.
    private func receive(_ number: Int, _ sqs: SQSClient, pause: inout Duration) async -> [SQSClient.ReceivedMessage]? {
        let call: Task<[SQSClient.ReceivedMessage], any Error>? = state.withLock { state in
            guard !state.isStopped else { return nil }
            let call = Task { try await sqs.receive(maximum: 10, wait: wait, visibility: visibility) }
            state.polls[number] = call
            return call
        }
        guard let call else { return nil }
        let result = await call.result
        let isStopped = state.withLock { state in
            state.polls[number] = nil
            return state.isStopped
        }
        switch result {
        case .success(let batch):
            state.withLock { $0.lastError = nil }
            pause = .milliseconds(200)
            return batch
        case .failure(let error):
            if isStopped { return nil }
            failures.increment()
            let isFirstFailure = state.withLock { state in
                defer { state.lastError = "\(error)" }
                return state.lastError == nil
            }
            context.logger.log(
                level: isFirstFailure ? .error : .debug, "the queue cannot be polled; retrying",
                metadata: ["error": "\(error)"])
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
            pause = min(pause * 2, .seconds(10))
            return []
        }
    }

    private func handle(
        _ received: SQSClient.ReceivedMessage, _ sqs: SQSClient, _ verifier: SNSVerifier, _ intake: Intake,
        _ admitted: AsyncStream<Void>.Continuation
    ) async {
        let visibilityTask = Task { await extendVisibility(received, sqs) }
        let settlement: Settlement
        do {
            let message = try await message(of: received, verifier)
            let settled = AsyncStream.makeStream(of: Settlement.self)
            try await intake.send(message) { settled.continuation.yield($0) }
            admitted.finish()
            var answer = Settlement.failed(reason: "no answer", retryAfter: nil)
            for await settlement in settled.stream {
                answer = settlement
                break
            }
            settlement = answer
        } catch let failure as SNSVerifier.Failure {
            switch failure {
            case .forged(let reason): settlement = .refused(stage: context.stage, reason: reason, attempts: 0)
            case .unavailable(let reason): settlement = .failed(reason: reason, retryAfter: nil)
            }
        } catch let error as StageError {
            settlement = .refused(stage: context.stage, reason: error.description, attempts: 0)
        } catch {
            settlement = .failed(reason: "\(error)", retryAfter: nil)
        }
        admitted.finish()
        visibilityTask.cancel()
        await acknowledge(received, settlement, sqs)
    }

    /// Extends the visibility timeout of a message well before it ends, until cancelled.
    private func extendVisibility(_ received: SQSClient.ReceivedMessage, _ sqs: SQSClient) async {
        while true {
            do {
                try await Task.sleep(for: visibility / 2)
            } catch {
                return
            }
            _ = try? await sqs.changeVisibility([received.receiptHandle], to: visibility)
        }
    }

    private func acknowledge(_ received: SQSClient.ReceivedMessage, _ settlement: Settlement, _ sqs: SQSClient) async {
        let retryDelay: Duration
        switch settlement {
        case .delivered, .spooled, .filtered, .expired, .superseded, .deadLettered:
            for attempt in 1...3 {
                if let result = try? await sqs.delete([received.receiptHandle]), result == [.done] { return }
                failures.increment()
                try? await Task.sleep(for: .milliseconds(100 * attempt))
            }
            context.logger.warning(
                "a processed message could not be deleted; it will be received again",
                metadata: ["id": "\(received.id)"])
            return
        case .refused(let stage, let reason, _):
            context.logger.warning(
                "a message was refused and stays in the queue for its redrive policy",
                metadata: [
                    "id": "\(received.id)", "refused-by": "\(stage)", "reason": "\(reason)",
                    "received": "\(received.receiveCount) times",
                ])
            retryDelay = .seconds(30)
        case .failed(_, let retryAfter): retryDelay = min(retryAfter ?? .seconds(2), .seconds(900))
        }
        _ = try? await sqs.changeVisibility([received.receiptHandle], to: retryDelay)
    }

    /// Returns the message in a body.
    ///
    /// - Throws: `StageError` if the message can never be accepted, `SNSVerifier.Failure` if its envelope is not
    ///   authentic.
    private func message(of received: SQSClient.ReceivedMessage, _ verifier: SNSVerifier) async throws -> Message {
        let body = Array(received.body.utf8)
        guard form != .raw, let envelope = try envelope(body) else {
            return Message(
                id: received.id, key: (try? key.text(in: body)) ?? nil, payload: Bytes(body),
                topic: queue.description, attributes: received.attributes, publishedAt: received.sentAt,
                receivedAt: context.now())
        }
        if let topicARN, envelope.topicARN != topicARN { throw StageError("the message belongs to another topic") }
        if verifiesSignature { try await verifier.verify(envelope) }
        let record = Array(envelope.message.utf8)
        return Message(
            id: envelope.messageID, key: (try? key.text(in: record)) ?? nil, payload: Bytes(record),
            topic: envelope.topicARN, attributes: envelope.attributes,
            publishedAt: RFC3339.parse(envelope.timestamp)?.timestamp ?? received.sentAt, receivedAt: context.now())
    }

    /// Parses the SNS envelope of a body; nil if the body is the message itself.
    private func envelope(_ body: [UInt8]) throws -> SNSEnvelope? {
        do {
            let envelope = try SNSEnvelope(json: body)
            guard envelope.kind == .notification else { throw StageError("the envelope is no notification") }
            return envelope
        } catch let error as EnvelopeError {
            if form == .envelope { throw StageError("\(error)") }
            return nil
        }
    }
}
