/// Generates random UUIDs (RFC 9562, 5.4) in lower case.
enum RandomID {
    private static let digits = Array("0123456789abcdef".utf8)

    static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        // The fixed bits of version and variant.
        let high = generator.next() & 0xffff_ffff_ffff_0fff | 0x4000
        let low = generator.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        return String(unsafeUninitializedCapacity: 36) { text in
            var index = 0
            for nibble in 0..<32 {
                if [8, 12, 16, 20].contains(nibble) {
                    text[index] = UInt8(ascii: "-")
                    index += 1
                }
                let word = nibble < 16 ? high : low
                text[index] = digits[Int(word >> UInt64(60 - 4 * (nibble % 16)) & 15)]
                index += 1
            }
            return index
        }
    }
}
