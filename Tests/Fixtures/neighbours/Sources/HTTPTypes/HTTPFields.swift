/// Header fields as another package has them.
public struct HTTPFields: Sendable {
    /// Their names.
    public var names: [String]

    /// Fields of these names.
    public init(names: [String]) { self.names = names }
}
