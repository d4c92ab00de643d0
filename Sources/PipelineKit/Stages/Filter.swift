/// Decides which messages pass.
///
/// Must be a pure function of message and options. Called on the lanes' queues: for one message at a time on each,
/// concurrently on several.
public protocol Filter: Stage {
    /// Returns whether the message passes. A message that does not is settled as `filtered`, which counts as success.
    ///
    /// - Throws: `StageError` if the filter cannot decide. The message is refused, or postponed if the error is
    ///   transient.
    func admits(_ message: Message) throws -> Bool
}
