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
