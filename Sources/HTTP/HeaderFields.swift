/// The header fields of a request or response in order. Names are case-insensitive (RFC 9110, 5.1); values are kept
/// unchanged.
public struct HeaderFields: Sendable, Equatable {
    /// A field.
    public struct Field: Sendable, Equatable {
        /// The name as it was written.
        public var name: String
        /// The value without surrounding white space.
        public var value: String
    }

    /// The fields in order.
    public private(set) var fields: [Field] = []

    public init() {}

    mutating func reserveCapacity(_ count: Int) { fields.reserveCapacity(count) }

    /// Accesses the first value of a field; nil if there is none. Setting replaces all fields with the name; nil
    /// removes them.
    public subscript(name: String) -> String? {
        get { fields.first { Self.matches($0.name, name) }?.value }
        set {
            fields.removeAll { Self.matches($0.name, name) }
            if let newValue { add(name, newValue) }
        }
    }

    /// Returns all values of a field in order.
    public func values(of name: String) -> [String] {
        fields.filter { Self.matches($0.name, name) }.map(\.value)
    }

    /// Appends a field, even if one with the name exists.
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    /// Returns whether a text is a valid field name: a token (RFC 9110, 5.6.2).
    public static func isName(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(isTokenByte) }

    /// Returns whether a text is a valid field value: without control characters except tabs (RFC 9110, 5.5).
    public static func isValue(_ text: String) -> Bool { text.utf8.allSatisfy { $0 == 9 || ($0 >= 32 && $0 != 127) } }

    /// Returns whether a byte is valid in a token (RFC 9110, 5.6.2).
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

    /// Returns whether two names are equal, ignoring ASCII case.
    static func matches(_ left: String, _ right: String) -> Bool {
        guard left.utf8.count == right.utf8.count else { return false }
        // They are usually spelled the same.
        return left == right || left.utf8.elementsEqual(right.utf8) { Syntax.lowered($0) == Syntax.lowered($1) }
    }
}

extension HeaderFields: ExpressibleByDictionaryLiteral {
    /// Makes fields from a literal, in order.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { add(name, value) }
    }
}

extension HeaderFields: Sequence {
    /// Iterates over the fields in order.
    public func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }
}
