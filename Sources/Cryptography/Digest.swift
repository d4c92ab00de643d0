/// Message digests. Thread-safe.
public enum Digest {
    /// Returns the SHA-256 of bytes.
    public static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { ThreadContexts.current.sha256.digest(of: $0) }
    }

    /// Returns the SHA-256 of a text's UTF-8.
    public static func sha256(_ text: String) -> [UInt8] {
        // Only bridged texts are not contiguous UTF-8.
        var text = text
        return text.withUTF8 { ThreadContexts.current.sha256.digest(of: UnsafeRawBufferPointer($0)) }
    }

    /// Returns the SHA-256 of any bytes.
    public static func sha256(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let digest = bytes.withContiguousStorageIfAvailable {
            ThreadContexts.current.sha256.digest(of: UnsafeRawBufferPointer($0))
        }
        return digest ?? sha256(Array(bytes))
    }

    /// Returns the SHA-1 of bytes. For existing signatures only.
    public static func sha1(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { ThreadContexts.current.sha1.digest(of: $0) }
    }
}

/// Message authentication codes (RFC 2104). Thread-safe.
public enum HMAC {
    /// Returns the HMAC-SHA256 of bytes.
    public static func sha256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        ThreadContexts.current.hmac.code(of: bytes, key: key)
    }

    /// Returns the HMAC-SHA256 of a text's UTF-8.
    public static func sha256(key: [UInt8], _ text: String) -> [UInt8] {
        ThreadContexts.current.hmac.code(of: Array(text.utf8), key: key)
    }
}

/// Compares two secrets in a time that depends only on their lengths.
public func isEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    // Always compares `right.count` bytes, so that the time does not reveal the length of `right`.
    let hasSameLength = left.count == right.count
    return LibCrypto.areEqual(hasSameLength ? left : right, right) && hasSameLength
}
