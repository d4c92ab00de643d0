import Telemetry
import Wire

/// Sees a refused message to the dead letters, and says how it ended then. Without dead letters the refusal stands.
struct DeadLetterRouter: Sendable {
    let pipeline: String
    let store: (any DeadLetterStore)?
    let logger: Logger
    let now: @Sendable () -> Timestamp

    /// Calls `completion` once with the settlement that holds: `deadLettered` where the refused message is kept, `failed` where it could
    /// not be kept, and anything but a refusal as it came.
    func route(
        _ receipt: Receipt, _ settlement: Settlement, _ creditBatch: CreditBatch?,
        completion: @escaping Receipt.Completion
    ) {
        guard case .refused(let stage, let reason, let attempts) = settlement, let store else {
            return completion(receipt, settlement, creditBatch)
        }
        let message = receipt.message
        let letter = DeadLetter(
            message: message, pipeline: pipeline, stage: stage, reason: reason, attempts: attempts,
            first: message.receivedAt,
            last: now())
        Task {
            do {
                try await store.put(letter)
                logger.warning(
                    "a message was put among the dead letters",
                    metadata: ["id": "\(message.id)", "refused-by": "\(stage)", "reason": "\(reason)"])
                completion(receipt, .deadLettered(reason: reason), nil)
            } catch {
                logger.error("a dead letter could not be kept", metadata: ["id": "\(message.id)", "error": "\(error)"])
                completion(receipt, .failed(reason: "a dead letter could not be kept: \(error)", retryAfter: nil), nil)
            }
        }
    }
}
