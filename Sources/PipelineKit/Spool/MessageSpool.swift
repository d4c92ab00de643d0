/// A durable queue in front of a pipeline: what is in it survives a crash. A message that is in it counts as taken, and is
/// carried on from there until it has ended.
public protocol MessageSpool: Sendable {
    /// Opens the queue. Called once, before anything else.
    ///
    /// - Throws: where it cannot be opened, such as where another process has it open.
    /// - Returns: the number of the newest message in it, 0 where it is empty.
    func open() async throws -> Int64

    /// Writes messages, all at the same moment. Where there is no room for one, those behind it are not stored either, so that what
    /// is sent again comes in order.
    ///
    /// - Parameter done: called for each, in their order, when it is on the disk or cannot be; for stored messages in the order of
    ///   their numbers, whoever appended them. One call after the other, on a queue of the spool's.
    func append(_ messages: [Message], done: @escaping @Sendable (_ index: Int, SpoolResult) -> Void)

    /// The oldest messages with a number above `number`, in order, at most `limit`.
    func read(after number: Int64, limit: Int) async throws -> [SpooledMessage]

    /// Takes a message out: it has ended. What is not on the disk yet at a crash comes again.
    func remove(_ number: Int64)

    /// Writes what is left to be written and lets go of the file.
    func close() async
}

/// A message in a spool.
public struct SpooledMessage: Sendable {
    /// Its number: later messages have higher ones.
    public var number: Int64
    /// The message.
    public var message: Message

    /// A message with its number.
    public init(number: Int64, message: Message) {
        self.number = number
        self.message = message
    }
}

/// What became of a message that was to be written to a spool.
public enum SpoolResult: Sendable, Equatable {
    /// It is on the disk, under this number.
    case stored(Int64)
    /// A message of this id was stored a short while ago; this one was not stored again.
    case duplicate
    /// There is no room: it is to come again later.
    case full
    /// It could not be written.
    case failed(String)

    /// What a sender is told.
    var settlement: Settlement {
        switch self {
        case .stored, .duplicate: .spooled
        case .full: .failed(reason: "the spool is full", retryAfter: .seconds(30))
        case .failed(let reason): .failed(reason: "the spool cannot take it: \(reason)", retryAfter: nil)
        }
    }
}
