/// The header fields of a request or an answer, in the order in which they came. Names are compared without regard to case
/// (RFC 9110, 5.1), values are kept as they are.
public struct HeaderFields: Sendable, Equatable {
    /// One field.
    public struct Field: Sendable, Equatable {
        /// The name as it was written.
        public var name: String
        /// The value, without the white space around it.
        public var value: String
    }

    /// The fields in their order.
    public private(set) var fields: [Field] = []

    /// No fields.
    public init() {}

    mutating func reserveCapacity(_ count: Int) { fields.reserveCapacity(count) }

    /// The value of the first field of a name; nil where there is none. Setting it replaces every field of the name, nil removes them.
    public subscript(name: String) -> String? {
        get { fields.first { Self.matches($0.name, name) }?.value }
        set {
            fields.removeAll { Self.matches($0.name, name) }
            if let newValue { add(name, newValue) }
        }
    }

    /// The values of all fields of a name, in their order.
    public func values(of name: String) -> [String] {
        fields.filter { Self.matches($0.name, name) }.map(\.value)
    }

    /// Adds a field behind the others, also where there is one of that name.
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    /// Whether a name may stand for a field: a token of RFC 9110, 5.6.2.
    public static func isName(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(isTokenByte) }

    /// Whether a value may stand in a field: no control characters but tabs (RFC 9110, 5.5).
    public static func isValue(_ text: String) -> Bool { text.utf8.allSatisfy { $0 == 9 || ($0 >= 32 && $0 != 127) } }

    /// Whether a byte may stand in a token (RFC 9110, 5.6.2).
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"),
            UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Whether two names are the same but for the case of ASCII letters.
    static func matches(_ left: String, _ right: String) -> Bool {
        guard left.utf8.count == right.utf8.count else { return false }
        // Mostly they are written the same.
        return left == right || left.utf8.elementsEqual(right.utf8) { Syntax.lowered($0) == Syntax.lowered($1) }
    }
}

extension HeaderFields: ExpressibleByDictionaryLiteral {
    /// The fields of a literal, in its order.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { add(name, value) }
    }
}

extension HeaderFields: Sequence {
    /// Goes through the fields in their order.
    public func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }
}
