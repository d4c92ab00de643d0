/// Stores dead letters.
public protocol DeadLetterStore: Sendable {
    /// Checks, without changing anything, that `open` would find what it needs.
    ///
    /// - Throws: why it could not be opened.
    func prepare() async throws
    /// Opens the store. The pipeline calls it once, before anything else.
    func open() async throws
    /// Stores a dead letter. Returns when it is stored durably.
    func put(_ letter: DeadLetter) async throws
    /// Closes the store.
    func close() async
}

extension DeadLetterStore {
    /// Checks nothing.
    public func prepare() async throws {}
}

/// Stores dead letters in any sink, one JSON message for each.
struct SinkDeadLetters: DeadLetterStore {
    let sink: any Sink

    func open() async throws { try await sink.open() }

    func put(_ letter: DeadLetter) async throws {
        let message = Message(
            id: letter.message.id, key: letter.message.key, payload: Bytes(letter.json), receivedAt: letter.last)
        switch await sink.write([message]).first {
        case .delivered: return
        case .transient(let reason, _), .permanent(let reason): throw StageError(reason)
        default: throw StageError("the sink for dead letters did not accept it")
        }
    }

    func close() async { await sink.close() }
}
