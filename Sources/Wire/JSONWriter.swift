/// Writes JSON values to bytes. The caller writes the structure.
public enum JSONWriter {
    /// Appends a quoted and escaped string.
    public static func append(string text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            var start = 0
            for (index, byte) in bytes.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5c {
                output.append(contentsOf: bytes[start..<index])
                appendEscape(byte, to: &output)
                start = index + 1
            }
            output.append(contentsOf: bytes[start...])
        }
        output.append(UInt8(ascii: "\""))
    }

    /// Appends an array of strings.
    public static func append(strings: [String], to output: inout [UInt8]) {
        output.append(UInt8(ascii: "["))
        for (index, text) in strings.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            append(string: text, to: &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    /// Appends an integer.
    public static func append(integer: Int64, to output: inout [UInt8]) {
        output.append(contentsOf: String(integer).utf8)
    }

    /// Appends JSON text.
    public static func append(_ literal: StaticString, to output: inout [UInt8]) {
        literal.withUTF8Buffer { output.append(contentsOf: $0) }
    }

    /// Returns a string as JSON text.
    public static func quoted(_ text: String) -> String {
        var output: [UInt8] = []
        append(string: text, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static func appendEscape(_ byte: UInt8, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x22, 0x5c: output.append(byte)
        case 0x08: output.append(UInt8(ascii: "b"))
        case 0x09: output.append(UInt8(ascii: "t"))
        case 0x0a: output.append(UInt8(ascii: "n"))
        case 0x0c: output.append(UInt8(ascii: "f"))
        case 0x0d: output.append(UInt8(ascii: "r"))
        default:
            append("u00", to: &output)
            output.append(contentsOf: Hex.encode(CollectionOfOne(byte)).utf8)
        }
    }
}

extension JSONReader {
    /// Consumes the next value and appends it without white space, with well-formed strings.
    public mutating func copyCompact(to output: inout [UInt8]) throws {
        let range = try skip()
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            switch byte {
            case 0x20, 0x09, 0x0a, 0x0d: index += 1
            case UInt8(ascii: "\""):
                var end = index + 1
                var isPlain = true
                while bytes[end] != UInt8(ascii: "\"") {
                    if bytes[end] >= 0x80 || bytes[end] == UInt8(ascii: "\\") { isPlain = false }
                    end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
                }
                if isPlain {
                    output.append(contentsOf: bytes[index...end])
                } else {
                    let token = JSONStringToken(range: index + 1..<end, isPlain: false)
                    JSONWriter.append(string: token.decoded(in: bytes), to: &output)
                }
                index = end + 1
            default:
                output.append(byte)
                index += 1
            }
        }
    }
}
