/// Base 64 with padding (RFC 4648, section 4).
public enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The value of each digit, by its byte; 255 for other bytes.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()

    /// Encodes bytes.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        let fast = bytes.withContiguousStorageIfAvailable { encode($0) }
        return fast ?? Array(bytes).withUnsafeBufferPointer { encode($0) }
    }

    private static func encode(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let size = (bytes.count + 2) / 3 * 4
        return digits.withUnsafeBufferPointer { digits in
            String(unsafeUninitializedCapacity: size) { text in
                var (from, to) = (0, 0)
                while from < bytes.count {
                    let isTwo = from + 1 < bytes.count
                    let isThree = from + 2 < bytes.count
                    let group =
                        Int(bytes[from]) << 16 | (isTwo ? Int(bytes[from + 1]) << 8 : 0)
                        | (isThree ? Int(bytes[from + 2]) : 0)
                    text[to] = digits[group >> 18]
                    text[to + 1] = digits[group >> 12 & 63]
                    text[to + 2] = isTwo ? digits[group >> 6 & 63] : UInt8(ascii: "=")
                    text[to + 3] = isThree ? digits[group & 63] : UInt8(ascii: "=")
                    from += 3
                    to += 4
                }
                return size
            }
        }
    }

    /// Decodes a text.
    ///
    /// - Returns: nil for anything but digits and the correct padding, including white space.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var text = String(text)
        return text.withUTF8 { decode($0) }
    }

    private static func decode(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let mark = UInt8(ascii: "=")
        let padding = text.last != mark ? 0 : text[text.count - 2] != mark ? 1 : 2
        let size = text.count / 4 * 3 - padding
        var isValid = true
        let bytes = values.withUnsafeBufferPointer { values in
            [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { bytes, filled in
                var to = 0
                for from in stride(from: 0, to: text.count, by: 4) {
                    var group = 0
                    for index in from..<(from + 4) {
                        let value = index < text.count - padding ? values[Int(text[index])] : 0
                        if value == 255 { isValid = false }
                        group = group << 6 | Int(value & 63)
                    }
                    bytes[to] = UInt8(truncatingIfNeeded: group >> 16)
                    bytes[to + 1] = UInt8(truncatingIfNeeded: group >> 8)
                    bytes[to + 2] = UInt8(truncatingIfNeeded: group)
                    to += 3
                }
                filled = size
            }
        }
        return isValid ? bytes : nil
    }
}
