/// A string in a JSON text, validated but not decoded.
struct JSONStringToken {
    /// The range of bytes between the quotation marks.
    let range: Range<Int>
    /// Whether the bytes are ASCII without escapes, and so are the value.
    let isPlain: Bool

    func decoded(in bytes: UnsafeBufferPointer<UInt8>) -> String {
        let raw = UnsafeBufferPointer(rebasing: bytes[range])
        if isPlain { return String(decoding: raw, as: UTF8.self) }
        return String(decoding: Self.unescape(raw), as: UTF8.self)
    }

    /// Decodes escapes. Invalid UTF-8 becomes U+FFFD byte by byte, a lone surrogate once, as in Go (encoding/json,
    /// unquoteBytes), so that an item's id, a hash of these bytes, is the same.
    static func unescape(_ raw: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            let byte = raw[index]
            if byte == UInt8(ascii: "\\") {
                index = appendEscape(at: index + 1, of: raw, to: &result)
            } else if byte < 0x80 {
                result.append(byte)
                index += 1
            } else if let length = utf8Length(raw, index) {
                result.append(contentsOf: raw[index..<index + length])
                index += length
            } else {
                result.append(contentsOf: replacement)
                index += 1
            }
        }
        return result
    }

    static func hex4(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt32? {
        guard start + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for index in start..<start + 4 {
            switch bytes[index] {
            case let digit where digit >= 0x30 && digit <= 0x39: value = value << 4 | UInt32(digit - 0x30)
            case let digit where digit | 0x20 >= 0x61 && digit | 0x20 <= 0x66:
                value = value << 4 | UInt32((digit | 0x20) - 0x61 + 10)
            default: return nil
            }
        }
        return value
    }

    private static let replacement: [UInt8] = [0xef, 0xbf, 0xbd]

    /// Decodes the escape whose letter is at `index` and returns the index behind it.
    private static func appendEscape(
        at index: Int, of raw: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]
    ) -> Int {
        switch raw[index] {
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0c)
        case UInt8(ascii: "n"): result.append(0x0a)
        case UInt8(ascii: "r"): result.append(0x0d)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"):
            let unit = hex4(raw, index + 1) ?? 0xfffd
            let next = index + 5
            if let scalar = Unicode.Scalar(unit) {
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                return next
            }
            if unit < 0xdc00, next + 1 < raw.count, raw[next] == UInt8(ascii: "\\"),
                raw[next + 1] == UInt8(ascii: "u"), let low = hex4(raw, next + 2), low >= 0xdc00, low < 0xe000,
                let scalar = Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
            {
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                return next + 6
            }
            result.append(contentsOf: replacement)
            return next
        default: result.append(raw[index])
        }
        return index + 1
    }

    /// Returns the length of the well-formed UTF-8 sequence at `index` (Unicode, table 3-7); nil if there is none.
    static func utf8Length(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int? {
        func continuation(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
            index + offset < bytes.count && range.contains(bytes[index + offset])
        }
        switch bytes[index] {
        case 0..<0x80: return 1
        case 0xc2...0xdf: return continuation(1) ? 2 : nil
        case 0xe0: return continuation(1, 0xa0...0xbf) && continuation(2) ? 3 : nil
        case 0xed: return continuation(1, 0x80...0x9f) && continuation(2) ? 3 : nil
        case 0xe1...0xef: return continuation(1) && continuation(2) ? 3 : nil
        case 0xf0: return continuation(1, 0x90...0xbf) && continuation(2) && continuation(3) ? 4 : nil
        case 0xf1...0xf3: return continuation(1) && continuation(2) && continuation(3) ? 4 : nil
        case 0xf4: return continuation(1, 0x80...0x8f) && continuation(2) && continuation(3) ? 4 : nil
        default: return nil
        }
    }
}

/// The key of an object's member. Plain ASCII is compared without decoding.
public struct JSONKey {
    private let token: JSONStringToken
    private let bytes: UnsafeBufferPointer<UInt8>

    init(_ token: JSONStringToken, in bytes: UnsafeBufferPointer<UInt8>) {
        self.token = token
        self.bytes = bytes
    }

    public var text: String { token.decoded(in: bytes) }

    /// Returns whether the key equals `name`.
    public func equals(_ name: StaticString) -> Bool {
        if token.isPlain {
            return token.range.count == name.utf8CodeUnitCount
                && token.range.enumerated().allSatisfy { bytes[$1] == name.utf8Start[$0] }
        }
        return text == String(describing: name)
    }

    /// Returns whether the key equals `name` ignoring case, as Go matches keys to fields. `name` is lower-case ASCII.
    public func matches(_ name: StaticString) -> Bool {
        name.withUTF8Buffer { matches(lowercased: $0) }
    }

    /// Like `matches(_:)`, for a name known only at run time.
    public func matches(lowercased name: UnsafeBufferPointer<UInt8>) -> Bool {
        if token.isPlain {
            guard token.range.count == name.count else { return false }
            for (offset, index) in token.range.enumerated() where Self.lower(bytes[index]) != name[offset] {
                return false
            }
            return true
        }
        return Self.fold(text).elementsEqual(name)
    }

    /// Returns the text in lower case, with the two non-ASCII characters that Go folds to ASCII letters (encoding/json,
    /// foldFunc).
    static func fold(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\u{212a}": result.append(UInt8(ascii: "k"))
            case "\u{17f}": result.append(UInt8(ascii: "s"))
            default:
                if scalar.isASCII {
                    result.append(lower(UInt8(scalar.value)))
                } else {
                    result.append(contentsOf: String(scalar).utf8)
                }
            }
        }
        return result
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
