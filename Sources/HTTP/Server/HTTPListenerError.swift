/// Why a server cannot listen.
public struct HTTPListenerError: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
