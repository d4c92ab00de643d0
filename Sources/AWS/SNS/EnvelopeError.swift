/// Why a body is no envelope.
public struct EnvelopeError: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ reason: String) { description = reason }
}
