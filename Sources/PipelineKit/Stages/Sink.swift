/// Writes messages.
///
/// The runner provides retries, ordering, metrics and shutdown. It never has two messages of one key in `write` at
/// once.
public protocol Sink: Stage {
    /// How the runner may call `write`.
    var capabilities: SinkCapabilities { get }

    /// Prepares the sink for writing. Called once before the first `write`; called again after a delay if it threw.
    ///
    /// - Throws: why the sink cannot be written to now.
    func open() async throws

    /// Writes messages and returns an outcome for each, in the same order. Must return within a bounded time by
    /// timeouts of its own. What depends on the time is computed when it is written. It starts on a lane's queue, so it
    /// must not block before its first `await`.
    func write(_ batch: [Message]) async -> [WriteOutcome]

    /// Closes the sink. Called once after the last `write` has returned; further calls have no effect.
    func close() async

    /// Checks the connection without changing anything, for `hecate validate --connect`. Called instead of `open`;
    /// closes the sink.
    ///
    /// - Returns: a short description of what was found.
    /// - Throws: why the sink cannot be written to now.
    func probe() async throws -> String
}

extension Sink {
    /// Does nothing.
    public func open() async throws {}
    /// Does nothing.
    public func close() async {}
    /// Opens and closes the sink.
    public func probe() async throws -> String {
        try await open()
        await close()
        return "it can be opened"
    }
}
