/// A sink that tells how a write ended by calling a closure: on the way of a message a task and its continuation cost more than all
/// stages together. The runner calls this form of `write` where a sink has it, and the other one nowhere.
package protocol CompletingSink: Sink {
    /// As `write(_:)`. Called on a lane's queue, so it must not block.
    ///
    /// - Parameter done: to be called exactly once, on any thread, also before this returns; with an outcome for each message, in
    ///   their order.
    func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void)
}

extension CompletingSink {
    /// The same for who waits.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        await withCheckedContinuation { continuation in write(batch) { continuation.resume(returning: $0) } }
    }
}
