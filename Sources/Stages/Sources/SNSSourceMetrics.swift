import PipelineKit
import Telemetry

/// The metrics of the `sns` source, with the names that existing dashboards use.
final class SNSSourceMetrics: Sendable {
    private let receivedByCode: [String: Counter]
    private let unmarshallFailed: Counter
    private let attempts: [Bool: Counter]
    private let subscribed: Gauge
    private let unsubscriptions: Counter
    private let dnsReady: Gauge
    private let dnsQueries: Counter

    init(_ context: StageContext) {
        let factory = context.metrics
        let ofPipeline = [("pipeline", context.pipeline)]
        receivedByCode = Dictionary(
            uniqueKeysWithValues: ["200", "400", "500", "other"].map {
                let dimensions = ofPipeline + [("code", $0)]
                return (
                    $0,
                    Counter(
                        label: "xmidt_hecate_webhook_sns_notification_received_count", dimensions: dimensions,
                        factory: factory)
                )
            })
        unmarshallFailed = Counter(
            label: "xmidt_hecate_notification_unmarshall_failed_count", dimensions: ofPipeline, factory: factory)
        attempts = Dictionary(
            uniqueKeysWithValues: [(true, "okay"), (false, "failure")].map {
                let dimensions = ofPipeline + [("code", $1)]
                return (
                    $0,
                    Counter(
                        label: "xmidt_hecate_webhook_sns_subscribe_attempt_count", dimensions: dimensions,
                        factory: factory)
                )
            })
        subscribed = Gauge(label: "xmidt_hecate_webhook_sns_subscribed_value", dimensions: ofPipeline, factory: factory)
        unsubscriptions = Counter(label: "xmidt_hecate_unsubscriptions_total", dimensions: ofPipeline, factory: factory)
        dnsReady = Gauge(label: "xmidt_hecate_dns_ready", dimensions: ofPipeline, factory: factory)
        dnsQueries = Counter(label: "xmidt_hecate_dns_ready_query_count", dimensions: ofPipeline, factory: factory)
        subscribed.record(0)
        dnsReady.record(0)
    }

    /// Records the status of a response by its class, as the original's dashboards expect.
    func received(_ status: Int) {
        let code =
            switch status {
            case 200..<300: "200"
            case 400..<500: "400"
            case 500..<600: "500"
            default: "other"
            }
        receivedByCode[code]?.increment()
    }

    func unreadable() { unmarshallFailed.increment() }
    func subscribeAttempt(succeeded: Bool) { attempts[succeeded]?.increment() }
    func subscribed(_ isSubscribed: Bool) { subscribed.record(isSubscribed ? 1 : 0) }
    func unsubscribed() { unsubscriptions.increment() }
    func dnsQuery() { dnsQueries.increment() }
    func dnsReady(_ isReady: Bool) { dnsReady.record(isReady ? 1 : 0) }
}
