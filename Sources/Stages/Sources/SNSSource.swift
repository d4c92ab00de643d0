import AWS
import AsyncHTTPClient
import Foundation
import HTTP
import Logging
public import PipelineKit
import Locking
import Wire

/// Takes what Amazon SNS publishes to a topic, over HTTP: the first station of a webhook on its way.
///
/// Source of the protocol: Amazon SNS developer guide, "Fanout to HTTP/HTTPS endpoints".
public final class SNSSource: Source {
    /// SNS sends again what was not answered with success.
    public static let redelivers = true

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "sns",
        summary: "takes what is published to an Amazon SNS topic, over HTTP",
        details: """
            Listens, subscribes to the topic, confirms, and takes notifications. A notification is answered 200 when it is delivered, or
            filtered on purpose; 503 when it should come again, also while the subscription is not confirmed; 400 or 403 with the reason
            when it can never succeed. Signatures are verified with certificates from Amazon's own hosts only, unless more are trusted.

            With subscribe: false somebody else looks after the subscription; notifications of the topic are taken at the path.
            With uniquePath every start makes a new subscription, and what SNS is still trying to deliver through the old one ends with
            it; the stable path is the safer one.
            """,
        options: SNSSourceOptions.declarations,
        makes: .bytes,
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
    private let stopped = StopSignal()

    /// A source with options; it does not listen yet.
    public init(_ options: Options, _ context: StageContext) throws {
        self.options = try SNSSourceOptions(options)
        self.context = context
        metrics = SNSSourceMetrics(context)
    }

    /// Ready when it listens and, where it subscribes itself, the subscription is confirmed.
    public var readiness: Readiness {
        running.withLock { running in
            guard running.isListening else { return .notReady("the listener is not up yet") }
            return running.subscription?.readiness ?? .ready
        }
    }

    /// Listens and takes notifications until it is stopped.
    public func run(into intake: Intake) async throws {
        let client = try options.access.makeClient()
        let transport = HTTPTransport.client(client)
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
                logger: context.logger, until: stopped,
                onListening: {
                    self.context.logger.info(
                        "listening", metadata: ["address": "\(self.options.listen)", "path": "\(endpoint.path)"])
                    self.running.withLock { $0.isListening = true }
                    subscription?.start()
                },
                handler: { await endpoint.answer($0) })
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await subscription?.stop(endsSubscription: !ListenerPool.shared.isHandingOver)
        try await client.shutdown()
        try result.get()
    }

    /// Accepts no more connections, or leaves the listener to the next where pipelines are replaced; requests that have come are
    /// answered.
    public func stop() async { stopped.fire() }

    /// Looks whether the topic can be seen with these credentials; nothing is subscribed.
    public func probe() async throws -> String {
        guard options.subscribes else { return "somebody else looks after the subscription: nothing to look at" }
        let count = try await HTTPClientSlot.with(try options.access.makeClient()) { client in
            try await self.sns(HTTPTransport.client(client)).subscriptions(topicARN: options.topicARN).count
        }
        return "the topic is there and has \(count) subscriptions"
    }

    private func sns(_ transport: HTTPTransport) -> SNSClient {
        SNSClient(
            region: options.access.region, endpoint: options.access.endpoint,
            credentials: options.access.provider(transport), transport: transport, now: context.now)
    }

    private func makeSubscription(_ transport: HTTPTransport) -> SNSSubscription {
        return SNSSubscription(options: options, context: context, client: sns(transport), metrics: metrics)
    }
}

/// Answers what SNS posts. From here a webhook goes into the pipeline's intake.
struct SNSEndpoint: Sendable {
    let options: SNSSourceOptions
    let context: StageContext
    let metrics: SNSSourceMetrics
    let verifier: SNSVerifier
    let subscription: SNSSubscription?
    let intake: Intake

    /// The path that is subscribed.
    var path: String { subscription?.path ?? options.path }

    func answer(_ request: HTTPServiceRequest) async -> HTTPServiceResponse {
        guard isOurs(request.path) else { return .text(404, "nothing is taken at this path") }
        guard request.method == "POST" else { return .text(405, "only POST is taken here", headers: ["Allow": "POST"]) }
        let response = await take(request)
        metrics.received(response.status)
        if response.status >= 400 {
            context.logger.log(
                level: response.status == 503 ? .info : .warning, "a notification was not taken",
                metadata: ["status": "\(response.status)", "reason": "\(response.body.text.prefix(500).dropLast())"])
        }
        return response
    }

    /// The path itself, and with unique paths those of earlier starts, at which SNS may still be delivering.
    private func isOurs(_ path: String) -> Bool {
        if path == self.path { return true }
        guard options.usesUniquePath, path.hasPrefix(options.path + "/") else { return false }
        let suffix = path.dropFirst(options.path.count + 1)
        return !suffix.isEmpty && suffix.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }

    private func take(_ request: HTTPServiceRequest) async -> HTTPServiceResponse {
        if request.header("x-amz-sns-rawdelivery") == "true" { return await takeRaw(request) }
        let envelope: SNSEnvelope
        do {
            envelope = try SNSEnvelope(json: request.body)
        } catch {
            metrics.unreadable()
            return .text(400, "\(error)")
        }
        guard envelope.topicARN == options.topicARN else { return .text(403, "the message belongs to another topic") }
        if options.verifiesSignature {
            do throws(SNSVerifier.Failure) {
                try await verifier.verify(envelope)
            } catch {
                switch error {
                case .forged(let reason): return .text(403, reason)
                case .unavailable(let reason): return Self.again(reason)
                }
            }
        }
        switch envelope.kind {
        case .notification: return await takeNotification(envelope, at: request.path)
        case .subscriptionConfirmation: return await confirm(envelope, at: request.path)
        case .unsubscribeConfirmation:
            metrics.unsubscribed()
            context.logger.warning(
                "SNS says that a subscription of this endpoint has ended", metadata: ["path": "\(request.path)"])
            if request.path == path { subscription?.check() }
            return .text(200, "noted")
        }
    }

    private func takeNotification(_ envelope: SNSEnvelope, at path: String) async -> HTTPServiceResponse {
        if let environment = options.environment {
            guard envelope.attributes["scytale.env"] == environment else {
                return .text(
                    403, "the message is for another environment: its attribute scytale.env is not '\(environment)'")
            }
        }
        if let subscription, path == self.path, !subscription.isConfirmed {
            return Self.again("the subscription is not confirmed yet")
        }
        return await deliver(
            Message(
                id: envelope.messageID, key: key(of: Array(envelope.message.utf8)),
                payload: Bytes(Array(envelope.message.utf8)), topic: envelope.topicARN, attributes: envelope.attributes,
                publishedAt: RFC3339.parse(envelope.timestamp)?.timestamp, receivedAt: context.now()))
    }

    /// With raw delivery the body is the message, the rest stands in headers, and nothing is signed.
    private func takeRaw(_ request: HTTPServiceRequest) async -> HTTPServiceResponse {
        guard !options.verifiesSignature else {
            return .text(
                403,
                "raw message delivery carries no signature: turn it off at the subscription, or set verifySignature: false"
            )
        }
        guard request.header("x-amz-sns-topic-arn") == options.topicARN else {
            return .text(403, "the message belongs to another topic")
        }
        guard options.environment == nil else {
            return .text(403, "raw message delivery carries no attributes, so the environment cannot be checked")
        }
        guard let id = request.header("x-amz-sns-message-id"), !id.isEmpty else {
            return .text(400, "the header x-amz-sns-message-id is missing")
        }
        return await deliver(
            Message(
                id: id, key: key(of: request.body), payload: Bytes(request.body), topic: options.topicARN,
                receivedAt: context.now()))
    }

    /// What the message is kept in order by: for a webhook its URL, of which the item's id is the hash. A record that cannot
    /// be read has its order to itself; the transform will say what is wrong with it.
    private func key(of record: [UInt8]) -> String? { (try? options.keyField.text(in: record)) ?? nil }

    private func deliver(_ message: Message) async -> HTTPServiceResponse {
        if context.isDryRun && !options.subscribes { return Self.again("this is a dry run: nothing is written") }
        switch await intake.submit(message, within: options.answerWithin) {
        case .refused(let stage, let reason, _): return .text(400, "\(stage): \(reason)")
        case .failed(let reason, let retryAfter): return Self.again(reason, after: retryAfter)
        case .delivered, .spooled, .filtered, .expired, .superseded, .deadLettered:
            return HTTPServiceResponse(status: 200)
        }
    }

    private func confirm(_ envelope: SNSEnvelope, at path: String) async -> HTTPServiceResponse {
        guard let subscription else {
            context.logger.notice(
                "SNS asks to confirm a subscription; with subscribe: false that is left to whoever made it")
            return .text(200, "left to whoever made the subscription")
        }
        guard path == self.path, let token = envelope.token else {
            return .text(404, "nothing is to be confirmed at this path")
        }
        do {
            try await subscription.confirm(token: token)
            return .text(200, "confirmed")
        } catch {
            return Self.again("the subscription could not be confirmed: \(error)")
        }
    }

    private static func again(_ reason: String, after pause: Duration? = nil) -> HTTPServiceResponse {
        let seconds = max(1, Int((pause ?? .seconds(5)).inSeconds.rounded(.up)))
        return .text(503, reason, headers: ["Retry-After": "\(seconds)"])
    }
}
