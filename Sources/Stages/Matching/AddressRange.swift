import Glibc

/// A range of addresses with a common prefix, such as `192.0.2.0/24` or `2001:db8::/32` (RFC 4632, RFC 4291).
struct AddressRange: Sendable {
    private let bytes: [UInt8]
    private let prefix: Int

    /// Parses a range or a single address. Returns nil if the text is neither.
    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = Self.bytes(String(parts[0])) else { return nil }
        let maximumLength = bytes.count * 8
        guard let prefix = parts.count == 1 ? maximumLength : Int(parts[1]), (0...maximumLength).contains(prefix) else {
            return nil
        }
        self.bytes = bytes
        self.prefix = prefix
    }

    /// Returns whether the range contains an address. An IPv4 address in IPv6 form counts as IPv4; a port is ignored.
    func contains(_ address: [UInt8]) -> Bool {
        guard address.count == bytes.count else { return false }
        let whole = prefix / 8
        guard address[..<whole] == bytes[..<whole] else { return false }
        let rest = prefix % 8
        guard rest > 0 else { return true }
        return (address[whole] ^ bytes[whole]) >> UInt8(8 - rest) == 0
    }

    /// Parses an address as records contain it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
    static func address(_ text: String) -> [UInt8]? {
        if let bytes = bytes(text) { return bytes }
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            return bytes(String(text[text.index(after: text.startIndex)..<end]))
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? bytes(String(parts[0])) : nil
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: &six) { Array($0) }
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        return isMapped ? Array(bytes[12...]) : bytes
    }
}
