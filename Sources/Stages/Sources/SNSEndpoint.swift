import AWS
import HTTP
import Locking
import PipelineKit
import Telemetry
import Wire

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
