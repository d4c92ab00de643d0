/// A JSON value as a tree, for code that changes or compares whole values. Keeps the order of members and the text of
/// numbers. Code that only reads some fields uses `JSONReader`.
public indirect enum JSONTree: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number as it was written.
    case number(String)
    case string(String)
    case array([JSONTree])
    /// An object, which may hold duplicate keys.
    case object([Member])

    /// A member of an object.
    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: JSONTree

        public init(_ key: String, _ value: JSONTree) {
            self.key = key
            self.value = value
        }
    }

    /// The maximum nesting, because other code walks trees recursively.
    public static let maximumDepth = 200

    /// Makes an object with members in order.
    public static func members(_ members: KeyValuePairs<String, JSONTree>) -> JSONTree {
        .object(members.map { Member($0.key, $0.value) })
    }

    /// Makes an integer.
    public static func integer(_ value: some BinaryInteger) -> JSONTree { .number("\(value)") }

    /// Parses a whole JSON text.
    ///
    /// - Throws: `JSONError` if it is malformed or deeper than `maximumDepth`.
    public init(parsing bytes: [UInt8]) throws {
        self = try JSONReader.read(bytes) { try Self.take(&$0, depth: 0) }
    }

    private static func take(_ reader: inout JSONReader, depth: Int) throws -> JSONTree {
        guard depth < maximumDepth else { throw reader.error("nested deeper than \(maximumDepth) levels") }
        switch try reader.kind() {
        case .null:
            _ = try reader.takeNull()
            return .null
        case .bool: return .bool(try reader.bool())
        case .number: return .number(try reader.number())
        case .string: return .string(try reader.string())
        case .array:
            var elements: [JSONTree] = []
            try reader.array { reader, _ in elements.append(try take(&reader, depth: depth + 1)) }
            return .array(elements)
        case .object:
            var members: [Member] = []
            try reader.object { reader, key in
                let name = key.text
                members.append(Member(name, try take(&reader, depth: depth + 1)))
            }
            return .object(members)
        }
    }

    /// Returns the value of a key, the last of duplicates; nil if this is no object.
    public subscript(key: String) -> JSONTree? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
    }

    /// The text of a string; nil for other values.
    public var text: String? { if case .string(let text) = self { text } else { nil } }

    /// The JSON text without white space.
    public var bytes: [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    /// Appends the JSON text.
    public func append(to output: inout [UInt8]) { append(to: &output, indent: nil) }

    /// The JSON text on several lines, for people.
    public var pretty: String {
        var output: [UInt8] = []
        append(to: &output, indent: 0)
        return output.text
    }

    private func append(to output: inout [UInt8], indent: Int?) {
        switch self {
        case .null: JSONWriter.append("null", to: &output)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let text): output.append(contentsOf: text.utf8)
        case .string(let text): JSONWriter.append(string: text, to: &output)
        case .array(let elements):
            Self.appendAll(elements, "[", "]", to: &output, indent: indent) { $0.append(to: &$1, indent: $2) }
        case .object(let members):
            Self.appendAll(members, "{", "}", to: &output, indent: indent) { member, output, indent in
                JSONWriter.append(string: member.key, to: &output)
                output.append(contentsOf: (indent == nil ? ":" : ": ").utf8)
                member.value.append(to: &output, indent: indent)
            }
        }
    }

    private static func appendAll<Element>(
        _ elements: [Element], _ open: StaticString, _ close: StaticString, to output: inout [UInt8], indent: Int?,
        _ body: (Element, inout [UInt8], Int?) -> Void
    ) {
        func newLine(_ depth: Int) {
            output.append(UInt8(ascii: "\n"))
            output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
        }
        JSONWriter.append(open, to: &output)
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            if let indent { newLine(indent + 1) }
            body(element, &output, indent.map { $0 + 1 })
        }
        if let indent, !elements.isEmpty { newLine(indent) }
        JSONWriter.append(close, to: &output)
    }

    /// The value with sorted members and without duplicates, so that equivalent values are equal.
    public var canonical: JSONTree {
        switch self {
        case .array(let elements): return .array(elements.map(\.canonical))
        case .object(let members):
            var last: [String: JSONTree] = [:]
            for member in members { last[member.key] = member.value.canonical }
            return .object(last.sorted { $0.key < $1.key }.map { Member($0.key, $0.value) })
        case .number(let text): return .number(Self.canonicalNumber(text))
        default: return self
        }
    }

    private static func canonicalNumber(_ text: String) -> String {
        if let integer = Int64(text) { return String(integer) }
        guard let value = Double(text) else { return text }
        return Int64(exactly: value).map { String($0) } ?? String(value)
    }
}
