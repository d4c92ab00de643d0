import Wire

/// What is wrong with the value of an option.
public struct OptionError: Error, CustomStringConvertible {
    /// The message without a full stop.
    public let description: String
    /// The location in the configuration, if it is more precise than the option's.
    public let location: SourceLocation?

    public init(_ message: String, at location: SourceLocation? = nil) {
        description = message
        self.location = location
    }
}
