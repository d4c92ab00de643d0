import Glibc

/// The basic elements of HTTP/1.1's grammar, on received bytes.
enum Syntax {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")

    /// The bytes of a token (RFC 9110, 5.6.2) as bits: those below 64, and those above.
    private static let tokenBits: (UInt64, UInt64) = {
        var bits: (UInt64, UInt64) = (0, 0)
        for byte in UInt8(0)..<128 where HeaderFields.isTokenByte(byte) {
            if byte < 64 { bits.0 |= 1 << UInt64(byte) } else { bits.1 |= 1 << UInt64(byte - 64) }
        }
        return bits
    }()

    /// Checks the bounds even in release builds, in which the pointers below are unchecked.
    private static func check(_ range: Range<Int>, _ bytes: Span<UInt8>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "outside of what has come")
    }

    /// Returns the index of a byte from a position on; nil if there is none.
    static func firstIndex(of byte: UInt8, in bytes: Span<UInt8>, from start: Int) -> Int? {
        bytes.withUnsafeBufferPointer { buffer in
            guard start >= 0, start < buffer.count, let base = buffer.baseAddress,
                let found = memchr(base + start, Int32(byte), buffer.count - start)
            else { return nil }
            return UnsafeRawPointer(base).distance(to: found)
        }
    }

    /// Returns whether a range is a non-empty token.
    static func isToken(_ range: Range<Int>, of bytes: Span<UInt8>) -> Bool {
        check(range, bytes)
        guard !range.isEmpty else { return false }
        let (low, high) = tokenBits
        return bytes.withUnsafeBytes { buffer in
            for byte in buffer[range] {
                let bits = byte < 64 ? low : high
                guard byte < 128, bits >> UInt64(byte & 63) & 1 == 1 else { return false }
            }
            return true
        }
    }

    /// Returns whether a range is a field value: without control characters except tabs (RFC 9110, 5.5).
    static func isFieldValue(_ range: Range<Int>, of bytes: Span<UInt8>) -> Bool {
        check(range, bytes)
        return bytes.withUnsafeBytes { buffer in
            var place = range.lowerBound
            // Eight bytes at a time while none is below 32 or 127, which is the common case.
            while place + 8 <= range.upperBound {
                let eight = buffer.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                let below = (eight &- 0x2020_2020_2020_2020) & ~eight
                let deleted = eight ^ 0x7f7f_7f7f_7f7f_7f7f
                let isDeleted = (deleted &- 0x0101_0101_0101_0101) & ~deleted
                guard (below | isDeleted) & 0x8080_8080_8080_8080 == 0 else { break }
                place += 8
            }
            for byte in buffer[place..<range.upperBound] {
                guard byte >= 32 || byte == tab, byte != 127 else { return false }
            }
            return true
        }
    }

    /// Returns a range without surrounding spaces and tabs (RFC 9110, 5.6.3).
    static func trimmed(_ range: Range<Int>, of bytes: Span<UInt8>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, isBlank(bytes[start]) { start += 1 }
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }

    /// Returns whether a byte is a space or a tab.
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// Returns whether a range equals a lower-case name, ignoring case.
    static func matches(_ range: Range<Int>, of bytes: Span<UInt8>, _ name: StaticString) -> Bool {
        guard range.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { name in
            for index in 0..<name.count where lowered(bytes[range.lowerBound + index]) != name[index] { return false }
            return true
        }
    }

    /// Returns an ASCII letter in lower case, other bytes unchanged.
    static func lowered(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte | 0x20 : byte }

    /// Returns a range as text; invalid UTF-8 becomes U+FFFD.
    static func text(_ range: Range<Int>, of bytes: Span<UInt8>) -> String {
        check(range, bytes)
        return bytes.withUnsafeBufferPointer {
            String(decoding: UnsafeBufferPointer(rebasing: $0[range]), as: UTF8.self)
        }
    }

    /// Returns a copy of a range.
    static func copy(_ range: Range<Int>, of bytes: Span<UInt8>) -> [UInt8] {
        check(range, bytes)
        return bytes.withUnsafeBufferPointer { Array(UnsafeBufferPointer(rebasing: $0[range])) }
    }

    /// Appends a range to an array.
    static func append(_ range: Range<Int>, of bytes: Span<UInt8>, to output: inout [UInt8]) {
        check(range, bytes)
        bytes.withUnsafeBufferPointer { output.append(contentsOf: UnsafeBufferPointer(rebasing: $0[range])) }
    }

    /// Parses decimal digits; nil for anything else, the maximum on overflow.
    static func decimal(_ range: Range<Int>, of bytes: Span<UInt8>) -> Int? {
        guard !range.isEmpty else { return nil }
        var number = 0
        var isTooLarge = false
        for index in range {
            let digit = Int(bytes[index]) - 48
            guard digit >= 0, digit <= 9 else { return nil }
            let (product, overflows) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflowsThen) = product.addingReportingOverflow(digit)
            isTooLarge = isTooLarge || overflows || overflowsThen
            number = sum
        }
        return isTooLarge ? .max : number
    }

    /// Returns the value of a hexadecimal digit; nil for other bytes.
    static func hexadecimal(_ byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte) - 48
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(byte) - 55
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(byte) - 87
        default: nil
        }
    }

    /// Calls `body` with each element of a comma-separated list, without white space and empty elements (RFC 9110,
    /// 5.6.1.2).
    static func forEachElement(_ range: Range<Int>, of bytes: Span<UInt8>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        for index in range.lowerBound...range.upperBound
        where index == range.upperBound || bytes[index] == UInt8(ascii: ",") {
            let element = trimmed(start..<index, of: bytes)
            if !element.isEmpty { body(element) }
            start = index + 1
        }
    }
}
