extension Array where Element == UInt8 {
    /// The bytes as text for messages and logs, with invalid UTF-8 repaired.
    public var text: String { String(decoding: self, as: UTF8.self) }
}
