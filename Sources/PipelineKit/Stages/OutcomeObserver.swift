/// A filter that observes how the messages it passed ended, for example to skip what was written before.
public protocol OutcomeObserver: Filter {
    /// Handles the end of a message that the filter passed. Called once for each, with the message as the filter saw
    /// it, on any thread.
    func ended(_ message: Message, _ settlement: Settlement)
}
