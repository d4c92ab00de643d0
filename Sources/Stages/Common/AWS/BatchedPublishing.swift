import AWS
import Cryptography
import PipelineKit
import Wire

/// Batches messages into calls of SNS or SQS, which limit their count and size.
enum BatchedPublishing {
    /// A message that is ready to be sent.
    struct Entry {
        let index: Int
        let id: String
        let key: String
        let text: String
        let attributes: [String: String]
        let subject: String?

        /// The size as the service counts it.
        var size: Int {
            attributes.reduce(text.utf8.count) { $0 + $1.key.utf8.count + $1.value.utf8.count + 6 }
                + (subject?.utf8.count ?? 0)
        }
    }

    /// The maximum number of attributes of a message that SQS accepts.
    private static let maximumAttributes = 10

    /// Sends a batch in as few calls as possible, and returns the outcome of each message.
    ///
    /// - Parameter prepare: returns the attributes and the subject of a message; throws if it can never be sent.
    static func write(
        _ batch: [Message], at now: Timestamp,
        prepare: (Message) throws -> (attributes: [String: String], subject: String?) = { ($0.attributes, nil) },
        send: ([Entry]) async throws -> [BatchEntryResult]
    ) async -> [WriteOutcome] {
        var outcomes = [WriteOutcome](
            repeating: .transient(reason: "it was not sent", retryAfter: nil), count: batch.count)
        var call: [Entry] = []
        var size = 0
        for (index, message) in batch.enumerated() {
            if message.payload.isExpired(at: now) {
                outcomes[index] = .expired
                continue
            }
            do {
                let entry = try entry(index, message, now, prepare)
                if size + entry.size > SQSClient.maximumBatchBytes || call.count == SQSClient.maximumBatchCount {
                    await self.send(call, send, &outcomes)
                    (call, size) = ([], 0)
                }
                call.append(entry)
                size += entry.size
            } catch {
                outcomes[index] = .permanent(reason: "\(error)")
            }
        }
        if !call.isEmpty { await self.send(call, send, &outcomes) }
        return outcomes
    }

    private static func entry(
        _ index: Int, _ message: Message, _ now: Timestamp,
        _ prepare: (Message) throws -> (attributes: [String: String], subject: String?)
    ) throws -> Entry {
        let (attributes, subject) = try prepare(message)
        guard let text = String(validating: message.payload.bytes(at: now), as: UTF8.self), !text.isEmpty else {
            throw StageError("the message is empty or no text, which the service does not accept")
        }
        let included = attributes.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }.prefix(maximumAttributes)
        let entry = Entry(
            index: index, id: message.id, key: message.key, text: text,
            attributes: Dictionary(included.map { ($0.key, $0.value) }) { $1 }, subject: subject)
        guard entry.size <= SQSClient.maximumBatchBytes else {
            throw StageError(
                "the message has \(entry.size) bytes; the limit of the service is \(SQSClient.maximumBatchBytes)")
        }
        return entry
    }

    private static func send(
        _ call: [Entry], _ send: ([Entry]) async throws -> [BatchEntryResult], _ outcomes: inout [WriteOutcome]
    ) async {
        do {
            for (entry, result) in zip(call, try await send(call)) {
                outcomes[entry.index] =
                    switch result {
                    case .done: .delivered
                    case .failed(let reason, isSenderFault: true): .permanent(reason: reason)
                    case .failed(let reason, isSenderFault: false): .transient(reason: reason, retryAfter: nil)
                    }
            }
        } catch let error as AWSServiceError where !error.isTransient {
            for entry in call { outcomes[entry.index] = .permanent(reason: error.description) }
        } catch {
            for entry in call { outcomes[entry.index] = .transient(reason: "\(error)", retryAfter: nil) }
        }
    }

    /// Returns a group or deduplication id for a FIFO queue, which allows 128 characters: a hash of the text.
    static func token(_ text: String) -> String { Hex.encode(Digest.sha256(text)) }
}
