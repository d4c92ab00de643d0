import Wire

/// Dispatches messages from the spool into the pipeline, and removes them from the spool when they have ended. A
/// message that failed is dispatched again.
struct SpoolDispatcher: Sendable {
    /// The delay before a failed message is dispatched again. It had all its retries: its dead letter could not be
    /// stored, or the message that superseded it was refused.
    private static let retryDelay = Duration.seconds(2)

    let spool: any MessageSpool
    /// The intake of the pipeline behind the spool.
    let intake: Intake
    let maxAge: Duration?
    let now: @Sendable () -> Timestamp

    /// Dispatches a message for which a credit is held.
    func dispatch(_ spooled: SpooledMessage) {
        if let maxAge, now() - spooled.message.receivedAt > maxAge {
            let tooOld = Settlement.refused(
                stage: "spool", reason: "it waited in the spool longer than maxAge", attempts: 0)
            intake.settle(spooled.message, with: tooOld) { settle(spooled, $0) }
        } else {
            intake.start(spooled.message) { settle(spooled, $0) }
        }
    }

    private func settle(_ spooled: SpooledMessage, _ settlement: Settlement) {
        guard !settlement.isSuccess else { return spool.remove(spooled.number) }
        Task {
            try? await Task.sleep(for: Self.retryDelay)
            // During a shutdown there is no credit any more; the message stays in the spool for the next process.
            if await intake.creditPool.acquire() { dispatch(spooled) }
        }
    }
}
