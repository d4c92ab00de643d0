/// A durable queue in front of a pipeline: its messages survive a crash. A message in it counts as accepted and is
/// processed until it has ended.
public protocol MessageSpool: Sendable {
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

/// A message in the spool.
public struct SpooledMessage: Sendable {
    /// The number. Later messages have higher numbers.
    public var number: Int64
    public var message: Message

    public init(number: Int64, message: Message) {
        self.number = number
        self.message = message
    }
}

/// The result of appending a message to the spool.
public enum SpoolResult: Sendable, Equatable {
    /// The message is on disk under this number.
    case stored(Int64)
    /// A message with this id was stored recently; this one was not stored again.
    case duplicate
    /// The spool is full: the sender should send the message again later.
    case full
    /// The message could not be written.
    case failed(String)

    /// The settlement to tell the sender.
    var settlement: Settlement {
        switch self {
        case .stored, .duplicate: .spooled
        case .full: .failed(reason: "the spool is full", retryAfter: .seconds(30))
        case .failed(let reason): .failed(reason: "the spool cannot store it: \(reason)", retryAfter: nil)
        }
    }
}
