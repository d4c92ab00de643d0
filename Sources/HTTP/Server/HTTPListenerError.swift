/// Why a server cannot serve.
public struct HTTPListenerError: Error, Sendable, CustomStringConvertible {
    /// The reason, for people.
    public let description: String
    init(_ description: String) { self.description = description }
}
