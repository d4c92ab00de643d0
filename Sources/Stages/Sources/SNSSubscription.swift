import AWS
import Dispatch
import Glibc
import Locking
import PipelineKit
import Telemetry
import Wire

/// Keeps the endpoint of an `sns` source subscribed: subscribes, confirms when SNS asks, ends what earlier starts left
/// behind, and subscribes again when SNS says that it has ended. May be used from any thread.
final class SNSSubscription: Sendable {
    private enum Phase: Equatable {
        case idle
        case subscribing
        case awaitingConfirmation
        case confirmed(arn: String)
    }

    private struct State {
        var phase = Phase.idle
        var task: Task<Void, Never>?
        /// When to look next whether the subscription is still there.
        var nextCheck = ContinuousClock.now
        /// SNS said that it has ended: its lists may show it for a while all the same.
        var needsRecheck = false
    }

    /// How long SNS may take to ask for the confirmation before it is asked to again.
    private static let confirmationTimeout = Duration.seconds(60)
    private static let maximumDelay = Duration.seconds(60)
    /// How often it is looked whether the subscription is still there; somebody may have deleted it.
    private static let checkInterval = Duration.seconds(60)
    private static let recheckDelay = Duration.seconds(2)

    /// The path SNS delivers to, unique to this start where that is wanted.
    let path: String
    private let options: SNSSourceOptions
    private let client: SNSClient
    private let metrics: SNSSourceMetrics
    private let logger: Logger
    private let isDryRun: Bool
    private let publicURL: String
    private let state = Mutex(State())

    init(options: SNSSourceOptions, context: StageContext, client: SNSClient, metrics: SNSSourceMetrics) {
        self.options = options
        self.client = client
        self.metrics = metrics
        logger = context.logger
        isDryRun = context.isDryRun
        publicURL = options.publicURL?.description ?? ""
        path = options.usesUniquePath || context.isDryRun ? "\(options.path)/\(context.now().seconds)" : options.path
    }

    private var endpoint: String { publicURL + path }
    private var protocolName: String { options.publicURL?.scheme ?? "http" }

    /// Whether notifications can come.
    var isConfirmed: Bool {
        state.withLock { state in
            if case .confirmed = state.phase { true } else { false }
        }
    }

    var readiness: Readiness {
        switch state.withLock({ $0.phase }) {
        case .confirmed: .ready
        case .awaitingConfirmation: .notReady("waiting for SNS to ask for the confirmation of the subscription")
        case .idle, .subscribing: .notReady("not subscribed yet")
        }
    }

    /// Begins to keep the subscription. Called when the endpoint can be reached.
    func start() {
        state.withLock { state in
            state.task = Task { await run() }
        }
    }

    /// Looks whether the subscription is still there, and subscribes if it is not.
    func check() {
        state.withLock { state in
            if case .confirmed = state.phase { state.phase = .idle }
            state.needsRecheck = true
        }
        metrics.subscribed(false)
    }

    /// Confirms with the token that SNS sent.
    func confirm(token: String) async throws {
        let arn = try await client.confirmSubscription(topicARN: options.topicARN, token: token)
        confirmed(arn)
    }

    /// Ends keeping, and the subscription too where that is wanted and nobody takes it over.
    func stop(endsSubscription: Bool) async {
        let (task, phase) = state.withLock { ($0.task, $0.phase) }
        task?.cancel()
        await task?.value
        guard endsSubscription, options.unsubscribesOnStop || isDryRun, case .confirmed(let arn) = phase else { return }
        do {
            try await client.unsubscribe(subscriptionARN: arn)
            metrics.subscribed(false)
            logger.info("unsubscribed", metadata: ["subscription": "\(arn)"])
        } catch {
            logger.warning("the subscription could not be ended", metadata: ["error": "\(error)"])
        }
    }

    private func run() async {
        await waitForDNS()
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            guard !isConfirmed else {
                pause = .seconds(1)
                try? await Task.sleep(for: .milliseconds(500))
                await checkSubscription()
                continue
            }
            do {
                try await subscribe()
                metrics.subscribeAttempt(succeeded: true)
                try? await waitForConfirmation()
            } catch {
                metrics.subscribeAttempt(succeeded: false)
                logger.error(
                    "subscribing failed; it is tried again",
                    metadata: [
                        "topic": "\(options.topicARN)", "endpoint": "\(endpoint)", "error": "\(error)",
                        "in": "\(pause)",
                    ])
                try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
                pause = min(pause * 2, Self.maximumDelay)
            }
        }
    }

    /// Takes over the subscription that this endpoint already has, or asks for one.
    private func subscribe() async throws {
        state.withLock { $0.phase = .subscribing }
        if let arn = await existingSubscription() {
            await applyDeliveryPolicy(to: arn)
            confirmed(arn)
            return
        }
        state.withLock { $0.phase = .awaitingConfirmation }
        let attributes = options.deliveryPolicy.map { ["DeliveryPolicy": $0] } ?? [:]
        try await client.subscribe(
            topicARN: options.topicARN, protocolName: protocolName, endpoint: endpoint, attributes: attributes)
        logger.info("asked to be subscribed", metadata: ["topic": "\(options.topicARN)", "endpoint": "\(endpoint)"])
    }

    /// Looks now and then whether the subscription is still there; where it is not, the keeper subscribes again.
    private func checkSubscription() async {
        let arn: String? = state.withLock { state in
            guard case .confirmed(let arn) = state.phase, ContinuousClock.now >= state.nextCheck else { return nil }
            state.nextCheck = .now + Self.checkInterval
            state.needsRecheck = false
            return arn
        }
        guard let arn else { return }
        do {
            let all = try await client.subscriptions(topicARN: options.topicARN)
            guard !all.contains(where: { $0.arn == arn }) else { return }
            state.withLock { state in
                if state.phase == .confirmed(arn: arn) { state.phase = .idle }
            }
            metrics.subscribed(false)
            logger.warning("the subscription is not there any more", metadata: ["subscription": "\(arn)"])
        } catch {
            logger.info("the topic's subscriptions cannot be listed", metadata: ["error": "\(error)"])
        }
    }

    private func waitForConfirmation() async throws {
        let deadline = ContinuousClock.now + Self.confirmationTimeout
        while !isConfirmed, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(100)) }
        if !isConfirmed {
            logger.warning(
                "SNS has not asked for the confirmation: can it reach the endpoint?",
                metadata: ["endpoint": "\(endpoint)"])
        }
    }

    private func existingSubscription() async -> String? {
        do {
            return try await client.subscriptions(topicARN: options.topicARN)
                .first { $0.endpoint == endpoint && $0.arn.hasPrefix("arn:") }?.arn
        } catch {
            logger.info("the topic's subscriptions cannot be listed", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// A subscription that was there before may have been made with another policy.
    private func applyDeliveryPolicy(to arn: String) async {
        guard let policy = options.deliveryPolicy else { return }
        do {
            try await client.setSubscriptionAttribute("DeliveryPolicy", to: policy, subscriptionARN: arn)
        } catch {
            logger.warning(
                "the delivery policy could not be set", metadata: ["subscription": "\(arn)", "error": "\(error)"])
        }
    }

    private func confirmed(_ arn: String) {
        state.withLock { state in
            state.phase = .confirmed(arn: arn)
            state.nextCheck = .now + (state.needsRecheck ? Self.recheckDelay : Self.checkInterval)
        }
        metrics.subscribed(true)
        logger.info("subscribed", metadata: ["subscription": "\(arn)"])
        guard options.unsubscribesOld, !isDryRun else { return }
        // SNS waits for the answer to its confirmation meanwhile, so this is not done under way.
        Task { await unsubscribeOld(except: arn) }
    }

    /// Ends the subscriptions of other paths below the same one.
    private func unsubscribeOld(except arn: String) async {
        let base = publicURL + options.path
        do {
            let old = try await client.subscriptions(topicARN: options.topicARN).filter {
                $0.arn.hasPrefix("arn:") && $0.arn != arn && ($0.endpoint == base || $0.endpoint.hasPrefix(base + "/"))
            }
            for subscription in old {
                try await client.unsubscribe(subscriptionARN: subscription.arn)
                logger.info("an earlier subscription was ended", metadata: ["endpoint": "\(subscription.endpoint)"])
            }
        } catch {
            logger.warning("earlier subscriptions could not be ended", metadata: ["error": "\(error)"])
        }
    }

    /// Waits until the public host has an address, as long as that may take.
    private func waitForDNS() async {
        guard let host = options.publicURL?.host, options.waitForDNS > .zero else { return }
        let deadline = ContinuousClock.now + options.waitForDNS
        while !Task.isCancelled, ContinuousClock.now < deadline {
            metrics.dnsQuery()
            if await HostLookup.hasAddress(host) {
                metrics.dnsReady(true)
                return
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
        logger.warning("the public host still has no address; subscribing all the same", metadata: ["host": "\(host)"])
    }
}

/// Asks the system's resolver, on a queue of its own because it blocks.
private enum HostLookup {
    static func hasAddress(_ host: String) async -> Bool {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var result: UnsafeMutablePointer<addrinfo>?
                let status = getaddrinfo(host, nil, nil, &result)
                if let result { freeaddrinfo(result) }
                continuation.resume(returning: status == 0)
            }
        }
    }
}
