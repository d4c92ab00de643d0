/// Decides which messages go on.
///
/// A pure function of message and options. It is called on a lane's queue, for one message at a time there, but on
/// several lanes at once.
public protocol Filter: Stage {
    /// Whether the message goes on. One that does not is settled as `filtered`, which counts as success.
    ///
    /// - Throws: `StageError` where the message is such that no answer can be given; it is refused to the sender.
    func admits(_ message: Message) throws -> Bool
}
