/// Decides which messages go on.
///
/// A pure function of message and options. It is called on a lane's queue, for one message at a time there, but on
/// several lanes at once.
public protocol Filter: Stage {
    /// Whether the message goes on. One that does not is settled as `filtered`, which counts as success.
    ///
    /// - Throws: `StageError` where no answer can be given: the message is refused to the sender, or, where the error says that
    ///   it may pass, looked at again after a pause.
    func admits(_ message: Message) throws -> Bool
}

/// A filter that wants to know how what it let through ended, such as one that leaves out what was written before.
public protocol OutcomeObserver: Filter {
    /// A message that was let through has ended. Called once for each, as the filter saw it, on any thread.
    func ended(_ message: Message, _ settlement: Settlement)
}
