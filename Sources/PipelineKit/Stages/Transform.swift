/// Turns a message into others.
///
/// A pure function of message and options. It is called on a lane's queue, for one message at a time there, but on
/// several lanes at once.
public protocol Transform: Stage {
    /// What becomes of the message: usually one, possibly several, none where nothing is left to do. The sender is
    /// answered when all of them have ended. A changed key holds from here on, for the order in front of the sink.
    ///
    /// - Throws: `StageError` where the message can never be transformed; it is refused to the sender.
    func transform(_ message: Message) throws -> [Message]
}
