/// Finds the host of a URL without building a URL, for rules about partners. Works on bytes, like the programs that
/// will connect to the host.
public enum URLHost {
    /// Returns the host in lower case, without user, port and brackets; nil if there is none.
    public static func of(_ url: String) -> String? {
        var url = url
        return url.withUTF8 { bytes in
            guard let start = afterScheme(bytes) else { return nil }
            let end = bytes[start...].firstIndex { isDelimiter($0) } ?? bytes.count
            return host(UnsafeBufferPointer(rebasing: bytes[start..<end]))
        }
    }

    /// Returns the host of an authority, the part between `//` and the path.
    public static func of(authority: Substring) -> String? {
        var authority = authority
        return authority.withUTF8 { host($0) }
    }

    /// Returns the index behind `://`.
    private static func afterScheme(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var index = 0
        while index + 2 < bytes.count {
            if bytes[index] == UInt8(ascii: ":"), bytes[index + 1] == UInt8(ascii: "/"),
                bytes[index + 2] == UInt8(ascii: "/")
            {
                return index + 3
            }
            index += 1
        }
        return nil
    }

    private static func isDelimiter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
            || byte == UInt8(ascii: "\\")
    }

    private static func host(_ authority: UnsafeBufferPointer<UInt8>) -> String? {
        var host = authority[...]
        if let at = host.lastIndex(of: UInt8(ascii: "@")) { host = host[(at + 1)...] }
        if host.first == UInt8(ascii: "[") {
            guard let end = host.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            host = host[(host.startIndex + 1)..<end]
        } else if let colon = host.firstIndex(of: UInt8(ascii: ":")) {
            host = host[..<colon]
        }
        while host.last == UInt8(ascii: ".") { host = host.dropLast() }
        guard !host.isEmpty else { return nil }
        guard host.allSatisfy({ $0 < 0x80 }) else { return String(decoding: host, as: UTF8.self).lowercased() }
        return String(unsafeUninitializedCapacity: host.count) { lower in
            for (index, byte) in host.enumerated() {
                let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                lower[index] = isUpper ? byte | 0x20 : byte
            }
            return host.count
        }
    }
}
