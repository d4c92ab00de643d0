/// A durable queue in front of a pipeline: its messages survive a crash. A message in it counts as accepted and is
/// processed until it has ended.
public protocol MessageSpool: Sendable {
    /// Checks, without changing anything, that `open` would find what it needs. Another pipeline may still use the queue.
    ///
    /// - Throws: why it could not be opened.
    func prepare() async throws

    /// Opens the queue. The pipeline calls it once, before anything else.
    ///
    /// - Throws: if it cannot be opened, for example because another process uses it.
    /// - Returns: the number of the newest message, 0 if the queue is empty.
    func open() async throws -> Int64

    /// Appends messages in one transaction. If there is no space for one, those behind it are not stored either, so
    /// that they are sent again in order.
    ///
    /// - Parameter done: called for each message in order when it is on disk or has failed; for stored messages in the
    ///   order of their numbers. Calls do not overlap; they run on the spool's queue.
    func append(_ messages: [Message], done: @escaping @Sendable (_ index: Int, SpoolResult) -> Void)

    /// Returns the oldest messages with a number above `number`, in order, at most `limit`.
    func read(after number: Int64, limit: Int) async throws -> [SpooledMessage]

    /// Removes a message that has ended. After a crash, messages whose removal is not on disk are processed again.
    func remove(_ number: Int64)

    /// Writes everything pending and closes the file.
    func close() async
}

extension MessageSpool {
    /// Checks nothing.
    public func prepare() async throws {}
}
