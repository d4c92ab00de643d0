/// A sink that reports outcomes through a closure: a task and its continuation cost more per message than all stages.
/// The runner calls this `write` if a sink has it, and never the other one then.
package protocol CompletingSink: Sink {
    /// Writes as `write(_:)` does. Called on a lane's queue; must not block.
    ///
    /// - Parameter done: call it exactly once, on any thread, possibly before this method returns, with an outcome for
    ///   each message in order.
    func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void)
}

extension CompletingSink {
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        await withCheckedContinuation { continuation in write(batch) { continuation.resume(returning: $0) } }
    }
}
