/// A value of a configuration file with its location: what options are parsed from. Independent of the file's format.
public struct ConfigNode: Sendable {
    /// The content of a node.
    public indirect enum Content: Sendable {
        /// No value, as in `key:`.
        case null
        case bool(Bool)
        case int(Int)
        /// A number with a fraction or an exponent.
        case double(Double)
        case string(String)
        /// A sequence.
        case list([ConfigNode])
        /// A mapping with unique keys.
        case map([Entry])
    }

    /// A member of a mapping.
    public struct Entry: Sendable {
        public var key: String
        /// The location of the key.
        public var keyLocation: SourceLocation
        public var value: ConfigNode

        public init(key: String, keyLocation: SourceLocation, value: ConfigNode) {
            self.key = key
            self.keyLocation = keyLocation
            self.value = value
        }
    }

    public var content: Content
    public var location: SourceLocation
    /// The text before `${...}` was replaced, if it differs.
    public var unexpanded: String?
    /// Why a `${...}` in the text could not be replaced: an error unless another layer overrides the value.
    public var problem: String?

    public init(_ content: Content, at location: SourceLocation, unexpanded: String? = nil) {
        self.content = content
        self.location = location
        self.unexpanded = unexpanded
    }

    /// Returns the value of a key, or nil.
    public subscript(key: String) -> ConfigNode? {
        guard case .map(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// The text, if the node is one.
    public var text: String? { if case .string(let text) = content { text } else { nil } }

    /// The kind of the value with an article, for messages. Scalars are quoted, except text, which may be a secret.
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
