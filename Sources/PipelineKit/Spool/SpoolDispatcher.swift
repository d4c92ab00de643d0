import Wire

/// The way of a message out of the spool: through the pipeline, and then out of the file, or into the pipeline again.
struct SpoolDispatcher: Sendable {
    /// How long a message rests that failed, though it was tried for as long as it takes: its dead letter could not be kept, or
    /// the one that took its place was refused.
    private static let retryDelay = Duration.seconds(2)

    let spool: any MessageSpool
    /// The pipeline behind the spool.
    let intake: Intake
    let maxAge: Duration?
    let now: @Sendable () -> Timestamp

    /// Carries a message through, for which a credit is held.
    func dispatch(_ spooled: SpooledMessage) {
        if let maxAge, now() - spooled.message.receivedAt > maxAge {
            let tooOld = Settlement.refused(stage: "spool", reason: "it waited longer than maxAge", attempts: 0)
            intake.settle(spooled.message, with: tooOld) { settle(spooled, $0) }
        } else {
            intake.start(spooled.message) { settle(spooled, $0) }
        }
    }

    private func settle(_ spooled: SpooledMessage, _ settlement: Settlement) {
        guard !settlement.isSuccess else { return spool.remove(spooled.number) }
        Task {
            try? await Task.sleep(for: Self.retryDelay)
            // At a shutdown there is no credit any more, and it stays where it is for the next process.
            if await intake.creditPool.acquire() { dispatch(spooled) }
        }
    }
}
