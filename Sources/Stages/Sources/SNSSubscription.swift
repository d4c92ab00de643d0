import AWS
import Dispatch
import Glibc
import Locking
import PipelineKit
import Telemetry
import Wire

/// Keeps the endpoint of an `sns` source subscribed: subscribes, confirms, removes subscriptions of earlier starts, and
/// subscribes again when the subscription has ended. Thread-safe.
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
        /// When to check the subscription next.
        var nextCheck = ContinuousClock.now
        /// Whether SNS reported the end of the subscription. Its lists may still show it for a while.
        var needsRecheck = false
    }

    /// How long SNS may take to ask for the confirmation before it is asked again.
    private static let confirmationTimeout = Duration.seconds(60)
    private static let maximumDelay = Duration.seconds(60)
    /// How often the subscription is checked; somebody may have deleted it.
    private static let checkInterval = Duration.seconds(60)
    private static let recheckDelay = Duration.seconds(2)

    /// The path that SNS delivers to, unique to this start if configured.
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

    /// Whether the subscription is confirmed.
    var isConfirmed: Bool {
        state.withLock { state in
            if case .confirmed = state.phase { true } else { false }
        }
    }

    var readiness: Readiness {
        switch state.withLock({ $0.phase }) {
        case .confirmed: .ready
        case .awaitingConfirmation: .notReady("waiting for the confirmation request of SNS")
        case .idle, .subscribing: .notReady("not subscribed yet")
        }
    }

    /// Starts to subscribe. Called when the endpoint can be reached.
    func start() {
        state.withLock { state in
            state.task = Task { await run() }
        }
    }

    /// Checks the subscription soon, and subscribes again if it has ended.
    func check() {
        state.withLock { state in
            if case .confirmed = state.phase { state.phase = .idle }
            state.needsRecheck = true
        }
        metrics.subscribed(false)
    }

    /// Confirms the subscription with the token from SNS.
    func confirm(token: String) async throws {
        let arn = try await client.confirmSubscription(topicARN: options.topicARN, token: token)
        confirmed(arn)
    }

    /// Stops, and unsubscribes if configured and nobody takes the subscription over.
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
            logger.warning("unsubscribing failed", metadata: ["error": "\(error)"])
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
                    "subscribing failed; retrying",
                    metadata: [
                        "topic": "\(options.topicARN)", "endpoint": "\(endpoint)", "error": "\(error)",
                        "in": "\(pause)",
                    ])
                try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
                pause = min(pause * 2, Self.maximumDelay)
            }
        }
    }

    /// Takes over the endpoint's existing subscription, or requests one.
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
        logger.info("requested a subscription", metadata: ["topic": "\(options.topicARN)", "endpoint": "\(endpoint)"])
    }

    /// Checks periodically whether the subscription exists. If not, the task subscribes again.
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
            logger.warning(
                "the subscription does not exist any more; subscribing again", metadata: ["subscription": "\(arn)"])
        } catch {
            logger.info("the topic's subscriptions cannot be listed", metadata: ["error": "\(error)"])
        }
    }

    private func waitForConfirmation() async throws {
        let deadline = ContinuousClock.now + Self.confirmationTimeout
        while !isConfirmed, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(100)) }
        if !isConfirmed {
            logger.warning(
                "SNS has not sent a confirmation request: check that it can reach the endpoint",
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

    /// Sets the delivery policy of an existing subscription, which may differ.
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
        // SNS waits for the answer to its confirmation, so this must not delay it.
        Task { await unsubscribeOld(except: arn) }
    }

    /// Removes the subscriptions of other unique paths.
    private func unsubscribeOld(except arn: String) async {
        let base = publicURL + options.path
        do {
            let old = try await client.subscriptions(topicARN: options.topicARN).filter {
                $0.arn.hasPrefix("arn:") && $0.arn != arn && ($0.endpoint == base || $0.endpoint.hasPrefix(base + "/"))
            }
            for subscription in old {
                try await client.unsubscribe(subscriptionARN: subscription.arn)
                logger.info("removed an earlier subscription", metadata: ["endpoint": "\(subscription.endpoint)"])
            }
        } catch {
            logger.warning("earlier subscriptions could not be removed", metadata: ["error": "\(error)"])
        }
    }

    /// Waits until the public host has an address, without a limit.
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
        logger.warning("the public host still has no address; subscribing anyway", metadata: ["host": "\(host)"])
    }
}

/// Resolves hosts on a queue of its own, because the system's resolver blocks.
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
