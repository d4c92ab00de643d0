/// All metrics with their types and help texts: the source of what `/metrics` says about them.
///
/// Names without a unit and with `_count` are used by existing dashboards. They violate Prometheus's naming rules, so
/// they are exposed without a type, which `promtool check metrics` accepts.
package enum MetricCatalog {
    /// The description of a metric.
    package struct Entry: Sendable {
        /// The Prometheus type.
        package let type: String
        /// The help text.
        package let help: String
    }

    /// The metrics by name.
    package static let entries: [String: Entry] = [
        "xmidt_hecate_messages_total": .init(type: "counter", help: "Messages that have ended, by how they ended."),
        "xmidt_hecate_message_seconds": .init(type: "histogram", help: "Time from taking a message to its end."),
        "xmidt_hecate_stage_messages_total": .init(
            type: "counter", help: "Messages that have left a stage, by outcome; for a sink, writes by outcome."),
        "xmidt_hecate_stage_seconds": .init(
            type: "histogram",
            help: "Time a stage takes for a message, under load timed for one of sixteen; for a sink, for a write."),
        "xmidt_hecate_retries_total": .init(type: "counter", help: "Writes that are tried again."),
        "xmidt_hecate_in_flight": .init(type: "gauge", help: "Writes under way."),
        "xmidt_hecate_queue_depth": .init(type: "gauge", help: "Messages inside the pipeline."),
        "xmidt_hecate_breaker_state": .init(
            type: "gauge", help: "Circuit breaker in front of a sink: 0 closed, 1 half-open, 2 open."),
        "xmidt_hecate_spooled_total": .init(
            type: "counter", help: "Messages that were to be written to the spool, by what became of them."),
        "xmidt_hecate_queue_received_total": .init(type: "counter", help: "Messages that a queue gave us."),
        "xmidt_hecate_queue_call_failures_total": .init(type: "counter", help: "Calls of a queue that failed."),
        "xmidt_hecate_mirror_lost_total": .init(
            type: "counter", help: "Copies that the second sink of a mirror has not taken."),
        "xmidt_hecate_spool_messages": .init(type: "gauge", help: "Messages in the spool."),
        "xmidt_hecate_spool_bytes": .init(
            type: "gauge", help: "Size of what is in the spool, as it counts against its limit."),
        "xmidt_hecate_spool_set_aside_total": .init(
            type: "counter", help: "Spool files that were corrupted and set aside."),
        "xmidt_hecate_unsubscriptions_total": .init(
            type: "counter", help: "Times SNS said that a subscription has ended."),
        "xmidt_hecate_webhook_list_size_value": .init(
            type: "untyped", help: "Distinct webhooks written to Argus that have not ended."),
        "xmidt_hecate_notification_unmarshall_failed_count": .init(
            type: "untyped", help: "Requests to the SNS endpoint that are no SNS envelope."),
        "xmidt_hecate_webhook_sns_notification_received_count": .init(
            type: "untyped", help: "Requests to the SNS endpoint, by the hundred of the answer's status."),
        "xmidt_hecate_webhook_sns_notification_sent_count": .init(
            type: "untyped", help: "Notifications published to SNS by this process."),
        "xmidt_hecate_webhook_sns_subscribe_attempt_count": .init(
            type: "untyped", help: "Attempts to subscribe to the topic."),
        "xmidt_hecate_webhook_sns_subscribed_value": .init(
            type: "untyped", help: "Whether the subscription is confirmed."),
        "xmidt_hecate_dns_ready": .init(type: "gauge", help: "Whether the public host has an address."),
        "xmidt_hecate_dns_ready_query_count": .init(type: "untyped", help: "Look-ups of the public host."),
        // The list sizes of Tr1d1um and Caduceus, for pipelines that replace them (`webhook-list`).
        "webpa_tr1d1um_webhook_list_size_value": .init(
            type: "untyped", help: "Live webhooks that this Tr1d1um knows."),
        "xmidt_caduceus_webhook_list_size_value": .init(
            type: "untyped", help: "Live webhooks that this Caduceus knows."),
        "process_resident_memory_bytes": .init(type: "gauge", help: "Resident memory."),
        "process_cpu_seconds_total": .init(type: "counter", help: "Processor time, user and system."),
        "process_open_fds": .init(type: "gauge", help: "Open file descriptors."),
        "process_start_time_seconds": .init(
            type: "gauge", help: "When the process started, in seconds since the epoch."),
    ]
}
