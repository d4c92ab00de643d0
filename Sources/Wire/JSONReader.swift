/// An error in a JSON text, with its position.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// What was expected or found.
    public var message: String
    /// The offset in bytes, starting at 0.
    public var offset: Int

    public init(_ message: String, at offset: Int) {
        self.message = message
        self.offset = offset
    }

    /// The message with the offset.
    public var description: String { "\(message) (at byte \(offset))" }
}

/// A pull parser for JSON without a tree: the caller walks objects and arrays and reads the values it needs.
///
/// Accepts exactly RFC 8259 (no comments, no trailing commas, no NaN) and reads values like Go's `encoding/json`,
/// because Go programs read these records before: invalid UTF-8 and lone surrogates become U+FFFD, an integer has
/// neither fraction nor exponent, and nesting deeper than 10,000 is refused. Does not recurse by itself, so that a deep
/// text cannot exhaust the stack.
public struct JSONReader {
    /// The kind of a value.
    public enum Kind: Sendable {
        /// An object, `{...}`.
        case object
        /// An array, `[...]`.
        case array
        case string
        case number
        case bool
        case null

        /// The kind with an article, for messages.
        public var name: String {
            switch self {
            case .object: "an object"
            case .array: "an array"
            case .string: "a string"
            case .number: "a number"
            case .bool: "a boolean"
            case .null: "null"
            }
        }
    }

    /// The maximum nesting (Go: encoding/json, maxNestingDepth).
    public static let maximumDepth = 10_000

    let bytes: UnsafeBufferPointer<UInt8>
    /// The offset of the next byte.
    public private(set) var position = 0
    private var depth = 0

    /// Reads a whole JSON text: `body` must consume exactly one value, which only white space may follow.
    ///
    /// - Throws: `JSONError` if the text is not JSON; the errors of `body`.
    public static func read<Result>(
        _ bytes: [UInt8], _ body: (inout JSONReader) throws -> Result
    ) throws -> Result {
        try bytes.withUnsafeBufferPointer { buffer in
            var reader = JSONReader(bytes: buffer)
            let result = try body(&reader)
            reader.skipWhitespace()
            guard reader.position == buffer.count else { throw reader.error("text after the end of the JSON value") }
            return result
        }
    }

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    // MARK: - Looking ahead

    /// Returns the kind of the next value without consuming it.
    public mutating func kind() throws -> Kind {
        skipWhitespace()
        guard position < bytes.count else { throw error("unexpected end of JSON") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        default: throw error("not JSON: a value was expected here")
        }
    }

    /// Makes an error at the current position.
    public func error(_ message: String) -> JSONError { JSONError(message, at: position) }

    // MARK: - Objects and arrays

    /// Walks an object. `member` is called for each value and must consume it.
    public mutating func object(_ member: (inout JSONReader, JSONKey) throws -> Void) throws {
        try expect(.object)
        try open()
        skipWhitespace()
        if take(UInt8(ascii: "}")) { return close() }
        while true {
            skipWhitespace()
            let key = JSONKey(try stringToken(), in: bytes)
            skipWhitespace()
            guard take(UInt8(ascii: ":")) else { throw error("':' expected after an object's key") }
            try member(&self, key)
            skipWhitespace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw error("',' or '}' expected in an object") }
            return close()
        }
    }

    /// Walks an array. `element` is called for each value with its index and must consume it.
    public mutating func array(_ element: (inout JSONReader, Int) throws -> Void) throws {
        try expect(.array)
        try open()
        skipWhitespace()
        if take(UInt8(ascii: "]")) { return close() }
        var index = 0
        while true {
            try element(&self, index)
            index += 1
            skipWhitespace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw error("',' or ']' expected in an array") }
            return close()
        }
    }

    // MARK: - Scalars

    public mutating func string() throws -> String {
        try expect(.string)
        return try stringToken().decoded(in: bytes)
    }

    /// Consumes a 64-bit integer without fraction and exponent.
    public mutating func integer() throws -> Int64 {
        let start = position
        let text = try number()
        guard let value = Int64(text) else { throw JSONError("\(text) is not a 64-bit integer", at: start) }
        return value
    }

    /// Consumes a number and returns its text.
    public mutating func number() throws -> String {
        try expect(.number)
        let start = position
        try numberToken()
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    public mutating func bool() throws -> Bool {
        try expect(.bool)
        if bytes[position] == UInt8(ascii: "t") {
            try literal("true")
            return true
        }
        try literal("false")
        return false
    }

    /// Consumes `null` if it is next.
    public mutating func takeNull() throws -> Bool {
        guard try kind() == .null else { return false }
        try literal("null")
        return true
    }

    /// Consumes and validates the next value, and returns its range in the text.
    @discardableResult
    public mutating func skip() throws -> Range<Int> {
        skipWhitespace()
        let start = position
        var closers: [UInt8] = []
        while true {
            switch try kind() {
            case .object:
                try open()
                skipWhitespace()
                if take(UInt8(ascii: "}")) {
                    close()
                } else {
                    closers.append(UInt8(ascii: "}"))
                    try skipKey()
                    continue
                }
            case .array:
                try open()
                skipWhitespace()
                if take(UInt8(ascii: "]")) {
                    close()
                } else {
                    closers.append(UInt8(ascii: "]"))
                    continue
                }
            case .string: _ = try stringToken()
            case .number: try numberToken()
            case .bool: _ = try bool()
            case .null: try literal("null")
            }
            // A value is complete: close what ends here, or go on to the next element.
            while let closer = closers.last {
                skipWhitespace()
                if take(closer) {
                    closers.removeLast()
                    close()
                } else if take(UInt8(ascii: ",")) {
                    if closer == UInt8(ascii: "}") { try skipKey() }
                    break
                } else {
                    throw error("',' or '\(Character(Unicode.Scalar(closer)))' expected")
                }
            }
            if closers.isEmpty { return start..<position }
        }
    }

    // MARK: - Tokens

    private mutating func skipKey() throws {
        skipWhitespace()
        _ = try stringToken()
        skipWhitespace()
        guard take(UInt8(ascii: ":")) else { throw error("':' expected after an object's key") }
    }

    private mutating func stringToken() throws -> JSONStringToken {
        guard take(UInt8(ascii: "\"")) else { throw error("a string was expected here") }
        let start = position
        var isPlain = true
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return JSONStringToken(range: start..<position - 1, isPlain: isPlain)
            case UInt8(ascii: "\\"):
                isPlain = false
                position += 1
                try escape()
            case 0..<0x20: throw error("a control character stands unescaped in a string")
            default:
                if byte >= 0x80 { isPlain = false }
                position += 1
            }
        }
        throw error("unexpected end of JSON in a string")
    }

    private mutating func escape() throws {
        guard position < bytes.count else { throw error("unexpected end of JSON in a string") }
        switch bytes[position] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            guard position + 4 < bytes.count, JSONStringToken.hex4(bytes, position + 1) != nil else {
                throw error("four hexadecimal digits were expected after \\u")
            }
            position += 5
        default: throw error("unknown escape in a string")
        }
    }

    private mutating func numberToken() throws {
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        if take(UInt8(ascii: "0")) {
            // A leading zero stands alone.
        } else {
            try digits()
        }
        if take(UInt8(ascii: ".")) { try digits() }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
    }

    private mutating func digits() throws {
        let start = position
        while position < bytes.count, bytes[position] >= UInt8(ascii: "0"), bytes[position] <= UInt8(ascii: "9") {
            position += 1
        }
        guard position > start else { throw error("a digit was expected in a number") }
    }

    private mutating func literal(_ text: StaticString) throws {
        for index in 0..<text.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == text.utf8Start[index] else {
                throw error("'\(text)' was expected here")
            }
            position += 1
        }
    }

    private mutating func expect(_ expected: Kind) throws {
        let found = try kind()
        guard found == expected else { throw error("\(expected.name) was expected, \(found.name) found") }
    }

    private mutating func open() throws {
        depth += 1
        guard depth <= Self.maximumDepth else { throw error("nested deeper than \(Self.maximumDepth) levels") }
        position += 1
    }

    private mutating func close() { depth -= 1 }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return
            }
        }
    }
}
