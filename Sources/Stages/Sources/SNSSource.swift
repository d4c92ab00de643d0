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

    /// Checks the certificate, and that the address can be listened on.
    public func prepare() async throws {
        try await ListenerPool.shared.check(options.listen, tls: options.tls, logger: context.logger)
    }

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
