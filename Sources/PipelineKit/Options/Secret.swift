/// A text that logs, errors and renderings never show.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text. Pass it on only to what needs it.
    public let revealed: String

    public init(_ text: String) { revealed = text }

    /// The text is redacted.
    public var description: String { "[redacted]" }
    /// The text is redacted.
    public var debugDescription: String { description }
    /// The text is redacted.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
