/// Why a file of this module cannot be used.
public struct SpoolError: Error, CustomStringConvertible {
    /// The reason and the remedy, for people.
    public let description: String

    init(_ description: String) { self.description = description }
}
