import Telemetry
import Wire

/// Routes refused messages to the dead letter store. Without a store the refusal stands.
struct DeadLetterRouter: Sendable {
    let pipeline: String
    let store: (any DeadLetterStore)?
    let logger: Logger
    let now: @Sendable () -> Timestamp

    /// Calls `completion` once with the final settlement: `deadLettered` if the refused message was stored, `failed` if
    /// it could not be stored, and any other settlement unchanged.
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
                    "a message was stored as a dead letter",
                    metadata: ["id": "\(message.id)", "refused-by": "\(stage)", "reason": "\(reason)"])
                completion(receipt, .deadLettered(reason: reason), nil)
            } catch {
                logger.error(
                    "a dead letter could not be stored", metadata: ["id": "\(message.id)", "error": "\(error)"])
                completion(
                    receipt, .failed(reason: "a dead letter could not be stored: \(error)", retryAfter: nil), nil)
            }
        }
    }
}
