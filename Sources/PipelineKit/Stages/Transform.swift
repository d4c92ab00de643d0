/// Turns a message into others.
///
/// Must be a pure function of message and options. Called on the lanes' queues: for one message at a time on each,
/// concurrently on several.
public protocol Transform: Stage {
    /// Returns the messages that replace this one: usually one, possibly several, or none. The sender is answered when
    /// all of them have ended. A changed key determines the order from here on.
    ///
    /// - Throws: `StageError` if the message can never be transformed. It is refused.
    func transform(_ message: Message) throws -> [Message]
}
