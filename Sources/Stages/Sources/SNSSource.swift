import AWS
import HTTP
import Locking
public import PipelineKit
import Telemetry
import Wire

/// Receives the notifications of an Amazon SNS topic over HTTP.
///
/// Protocol: Amazon SNS developer guide, "Fanout to HTTP/HTTPS endpoints".
public final class SNSSource: Source {
    /// SNS redelivers what was not answered with success.
    public static let redelivers = true

    public static let declaration = StageDeclaration(
        name: "sns",
        summary: "receives what is published to an Amazon SNS topic, over HTTP",
        details: """
            Listens, subscribes to the topic, confirms, and takes notifications. A notification is answered 200 when it is delivered, or
            filtered on purpose; 503 when it should come again, also while the subscription is not confirmed; 400 or 403 with the reason
            when it can never succeed. Signatures are verified with certificates from Amazon's own hosts only, unless more are trusted.

            With subscribe: false somebody else looks after the subscription; notifications of the topic are taken at the path.
            With uniquePath every start makes a new subscription, and what SNS is still trying to deliver through the old one ends with
            it; the stable path is the safer one.
            """,
        options: SNSSourceOptions.declarations,
        produces: .bytes,
        example: """
            source:
              sns:
                topicArn: arn:aws:sns:us-east-1:123456789012:webhooks
                listen: ":6700"
                publicURL: https://hecate.example.net:6700
            """)

    private let options: SNSSourceOptions
    private let context: StageContext
    private let metrics: SNSSourceMetrics
    private struct Running {
        var isListening = false
        var subscription: SNSSubscription?
    }
    private let running = Mutex(Running())
    private let stopSignal = StopSignal()

    public init(_ options: Options, _ context: StageContext) throws {
        self.options = try SNSSourceOptions(options)
        self.context = context
        metrics = SNSSourceMetrics(context)
    }

    /// Ready while it listens and, if it subscribes itself, the subscription is confirmed.
    public var readiness: Readiness {
        running.withLock { running in
            guard running.isListening else { return .notReady("the listener is not up yet") }
            return running.subscription?.readiness ?? .ready
        }
    }

    /// Loads the certificate and its key.
    public func prepare() async throws { if let tls = options.tls { _ = try ServerCertificate(tls) } }

    /// Listens and receives notifications until it is stopped.
    public func run(into intake: Intake) async throws {
        try await HTTPClient.with(options.aws.configuration()) { client in
            try await run(into: intake, HTTPTransport.client(client))
        }
    }

    private func run(into intake: Intake, _ transport: HTTPTransport) async throws {
        let subscription = options.subscribes ? makeSubscription(transport) : nil
        let endpoint = SNSEndpoint(
            options: options, context: context, metrics: metrics,
            verifier: SNSVerifier(policy: options.certificatePolicy, transport: transport, now: context.now),
            subscription: subscription, intake: intake)
        running.withLock { $0.subscription = subscription }
        let result: Result<Void, any Error>
        do {
            try await ListenerPool.shared.serve(
                options.listen, path: options.path, tls: options.tls,
                limits: HTTPLimits(bodyBytes: options.maxBodyBytes),
                logger: context.logger, until: stopSignal,
                onListening: {
                    self.context.logger.info(
                        "listening", metadata: ["address": "\(self.options.listen)", "path": "\(endpoint.path)"])
                    self.running.withLock { $0.isListening = true }
                    subscription?.start()
                },
                handler: { request, responder in endpoint.answer(request) { responder.respond($0) } })
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await subscription?.stop(endsSubscription: !ListenerPool.shared.isHandingOver)
        try result.get()
    }

    /// Stops accepting connections, or hands the listener over when pipelines are replaced. Requests that have arrived
    /// are answered.
    public func stop() async { stopSignal.fire() }

    /// Checks that the topic is accessible with the credentials, without subscribing.
    public func probe() async throws -> String {
        try await prepare()
        guard options.subscribes else { return "the subscription is managed elsewhere: no connection to check" }
        let count = try await HTTPClient.with(options.aws.configuration()) { client in
            try await self.sns(HTTPTransport.client(client)).subscriptions(topicARN: options.topicARN).count
        }
        return "the topic exists and has \(count) subscriptions"
    }

    private func sns(_ transport: HTTPTransport) -> SNSClient {
        SNSClient(
            region: options.aws.region, endpoint: options.aws.endpoint,
            credentials: options.aws.provider(transport), transport: transport, now: context.now)
    }

    private func makeSubscription(_ transport: HTTPTransport) -> SNSSubscription {
        SNSSubscription(options: options, context: context, client: sns(transport), metrics: metrics)
    }
}

/// Answers the requests of SNS and submits their messages.
final class SNSEndpoint: Sendable {
    private let options: SNSSourceOptions
    private let context: StageContext
    private let metrics: SNSSourceMetrics
    private let verifier: SNSVerifier
    private let subscription: SNSSubscription?
    private let intake: Intake

    init(
        options: SNSSourceOptions, context: StageContext, metrics: SNSSourceMetrics, verifier: SNSVerifier,
        subscription: SNSSubscription?, intake: Intake
    ) {
        self.options = options
        self.context = context
        self.metrics = metrics
        self.verifier = verifier
        self.subscription = subscription
        self.intake = intake
    }

    /// The path that is subscribed.
    var path: String { subscription?.path ?? options.path }

    /// Sends the response to a request.
    typealias Answer = @Sendable (ServerResponse) -> Void

    /// Answers a request once: here, or on another thread when its message has ended. Does not block.
    func answer(_ request: ServerRequest, _ answer: @escaping Answer) {
        guard isOwnPath(request.path) else { return answer(.text(404, "no messages are received at this path")) }
        guard request.method == "POST" else {
            return answer(.text(405, "only POST is supported", headers: ["Allow": "POST"]))
        }
        LongWork.run(bodyBytes: request.body.count) { [self] in
            receive(request) { [self] response in
                record(response)
                answer(response)
            }
        }
    }

    private func record(_ response: ServerResponse) {
        metrics.received(response.status)
        guard response.status >= 400 else { return }
        context.logger.log(
            level: response.status == 503 ? .info : .warning, "a notification was not accepted",
            metadata: ["status": "\(response.status)", "reason": "\(response.body.text.prefix(500).dropLast())"])
    }

    /// Returns whether a path is the endpoint's: its own and, with unique paths, those of earlier starts, where SNS may
    /// still deliver.
    private func isOwnPath(_ path: String) -> Bool {
        if path == self.path { return true }
        guard options.usesUniquePath, path.hasPrefix(options.path + "/") else { return false }
        let suffix = path.dropFirst(options.path.count + 1)
        return !suffix.isEmpty && suffix.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }

    private func receive(_ request: ServerRequest, _ answer: @escaping Answer) {
        if request.header("x-amz-sns-rawdelivery") == "true" { return receiveRaw(request, answer) }
        let envelope: SNSEnvelope
        do {
            envelope = try SNSEnvelope(json: request.body)
        } catch {
            metrics.unreadable()
            return answer(.text(400, "\(error)"))
        }
        guard envelope.topicARN == options.topicARN else {
            return answer(.text(403, "the message belongs to another topic"))
        }
        guard options.verifiesSignature else { return receive(envelope, at: request.path, answer) }
        verifier.verify(envelope) { [self] verified in
            switch verified {
            case .success: receive(envelope, at: request.path, answer)
            case .failure(.forged(let reason)): answer(.text(403, reason))
            case .failure(.unavailable(let reason)): answer(Self.retryLater(reason))
            }
        }
    }

    /// Handles a verified envelope.
    private func receive(_ envelope: SNSEnvelope, at path: String, _ answer: @escaping Answer) {
        switch envelope.kind {
        case .notification: receiveNotification(envelope, at: path, answer)
        case .subscriptionConfirmation: confirm(envelope, at: path, answer)
        case .unsubscribeConfirmation:
            metrics.unsubscribed()
            context.logger.warning(
                "a subscription of this endpoint has ended", metadata: ["path": "\(path)"])
            if path == self.path { subscription?.check() }
            answer(.text(200, "noted"))
        }
    }

    private func receiveNotification(_ envelope: SNSEnvelope, at path: String, _ answer: @escaping Answer) {
        if let environment = options.environment {
            guard envelope.attributes["scytale.env"] == environment else {
                return answer(
                    .text(
                        403, "the message is for another environment: its attribute scytale.env is not '\(environment)'"
                    ))
            }
        }
        if let subscription, path == self.path, !subscription.isConfirmed {
            return answer(Self.retryLater("the subscription is not confirmed yet"))
        }
        let record = Array(envelope.message.utf8)
        deliver(
            Message(
                id: envelope.messageID, key: key(of: record), payload: Bytes(record), topic: envelope.topicARN,
                attributes: envelope.attributes, publishedAt: RFC3339.parse(envelope.timestamp)?.timestamp,
                receivedAt: context.now()), answer)
    }

    /// Handles raw delivery: the body is the message, headers hold the rest, and nothing is signed.
    private func receiveRaw(_ request: ServerRequest, _ answer: @escaping Answer) {
        guard !options.verifiesSignature else {
            return answer(
                .text(
                    403,
                    "raw message delivery has no signature: turn it off for the subscription, or set verifySignature: false"
                ))
        }
        guard request.header("x-amz-sns-topic-arn") == options.topicARN else {
            return answer(.text(403, "the message belongs to another topic"))
        }
        guard options.environment == nil else {
            return answer(
                .text(403, "raw message delivery carries no attributes, so the environment cannot be checked"))
        }
        guard let id = request.header("x-amz-sns-message-id"), !id.isEmpty else {
            return answer(.text(400, "the header x-amz-sns-message-id is missing"))
        }
        deliver(
            Message(
                id: id, key: key(of: request.body), payload: Bytes(request.body), topic: options.topicARN,
                receivedAt: context.now()), answer)
    }

    /// Returns the key of a record: for a webhook its URL, from which the item's id is derived. A record that cannot be
    /// parsed has no key; a transform will report the error.
    private func key(of record: [UInt8]) -> String? { (try? options.keyField.text(in: record)) ?? nil }

    private func deliver(_ message: Message, _ answer: @escaping Answer) {
        if context.isDryRun && !options.subscribes {
            return answer(Self.retryLater("this is a dry run: nothing is written"))
        }
        intake.submit(message, within: options.answerWithin) { settlement in
            switch settlement {
            case .refused(let stage, let reason, _): answer(.text(400, "\(stage): \(reason)"))
            case .failed(let reason, let retryAfter): answer(Self.retryLater(reason, after: retryAfter))
            case .delivered, .spooled, .filtered, .expired, .superseded, .deadLettered:
                answer(ServerResponse(status: 200))
            }
        }
    }

    private func confirm(_ envelope: SNSEnvelope, at path: String, _ answer: @escaping Answer) {
        guard let subscription else {
            context.logger.notice(
                "ignoring a request to confirm a subscription, because of subscribe: false; confirm it where it was made"
            )
            return answer(.text(200, "not confirmed here: confirm the subscription where it was made"))
        }
        guard path == self.path, let token = envelope.token else {
            return answer(.text(404, "there is no subscription to confirm at this path"))
        }
        Task {
            do {
                try await subscription.confirm(token: token)
                answer(.text(200, "confirmed"))
            } catch {
                answer(Self.retryLater("the subscription could not be confirmed: \(error)"))
            }
        }
    }

    private static func retryLater(_ reason: String, after pause: Duration? = nil) -> ServerResponse {
        let seconds = max(1, Int((pause ?? .seconds(5)).inSeconds.rounded(.up)))
        return .text(503, reason, headers: ["Retry-After": "\(seconds)"])
    }
}
