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
