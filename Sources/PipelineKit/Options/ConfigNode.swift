/// A place in a configuration file.
public struct SourceLocation: Hashable, Sendable, Comparable {
    /// The file as it was named.
    public var file: String
    /// The line, from 1.
    public var line: Int
    /// The column in characters, from 1.
    public var column: Int
    /// How many characters the thing takes, at least 1.
    public var length: Int

    /// A place.
    public init(file: String, line: Int, column: Int, length: Int = 1) {
        self.file = file
        self.line = line
        self.column = column
        self.length = length
    }

    /// In the order of reading.
    public static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

/// A value of a configuration file together with its place: what options are read from. It knows nothing of the
/// file's format.
public struct ConfigNode: Sendable {
    /// A value.
    public indirect enum Content: Sendable {
        /// Nothing, as in `key:`.
        case null
        /// A boolean.
        case bool(Bool)
        /// An integer.
        case int(Int)
        /// A number with a fraction or an exponent.
        case double(Double)
        /// Text.
        case string(String)
        /// A sequence.
        case list([ConfigNode])
        /// A mapping; no key occurs twice.
        case map([Entry])
    }

    /// One member of a mapping.
    public struct Entry: Sendable {
        /// The key.
        public var key: String
        /// Where the key stands.
        public var keyLocation: SourceLocation
        /// The value.
        public var value: ConfigNode

        /// A member.
        public init(key: String, keyLocation: SourceLocation, value: ConfigNode) {
            self.key = key
            self.keyLocation = keyLocation
            self.value = value
        }
    }

    /// The value.
    public var content: Content
    /// Where it stands.
    public var location: SourceLocation
    /// How it was written, where that is not what it is: a text with `${...}` before it was replaced.
    public var unexpanded: String?
    /// Why it could not be completed, where a `${...}` of it stands for nothing: an error unless another value takes its place.
    public var problem: String?

    /// A value at a place.
    public init(_ content: Content, at location: SourceLocation, unexpanded: String? = nil) {
        self.content = content
        self.location = location
        self.unexpanded = unexpanded
    }

    /// The value of a key; nil where there is none.
    public subscript(key: String) -> ConfigNode? {
        guard case .map(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// The text; nil for anything else.
    public var text: String? { if case .string(let text) = content { text } else { nil } }

    /// The value's kind with its article, for messages. A scalar is quoted unless it is text, which may be a secret.
    public var kindName: String {
        switch content {
        case .null: "nothing"
        case .bool(let value): "the boolean \(value)"
        case .int(let value): "the integer \(value)"
        case .double(let value): "the number \(value)"
        case .string: "text"
        case .list: "a list"
        case .map: "a map"
        }
    }
}
