/// Digests of bytes. From any thread.
public enum Digest {
    /// SHA-256 of bytes: 32 bytes.
    public static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { ThreadContexts.current.sha256.digest(of: $0) }
    }

    /// SHA-256 of a text's UTF-8: 32 bytes.
    public static func sha256(_ text: String) -> [UInt8] {
        // Copied where it is not UTF-8 in one piece, which is so for texts of Foundation only.
        var text = text
        return text.withUTF8 { ThreadContexts.current.sha256.digest(of: UnsafeRawBufferPointer($0)) }
    }

    /// SHA-256 of bytes of any kind: 32 bytes.
    public static func sha256(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let digest = bytes.withContiguousStorageIfAvailable {
            ThreadContexts.current.sha256.digest(of: UnsafeRawBufferPointer($0))
        }
        return digest ?? sha256(Array(bytes))
    }

    /// SHA-1 of bytes: 20 bytes. For signatures of old, never for anything new.
    public static func sha1(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { ThreadContexts.current.sha1.digest(of: $0) }
    }
}

/// Codes that prove who wrote bytes, by a key that both sides have (RFC 2104). From any thread.
public enum HMAC {
    /// HMAC-SHA256 of bytes: 32 bytes.
    public static func sha256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        ThreadContexts.current.hmac.code(of: bytes, key: key)
    }

    /// HMAC-SHA256 of a text's UTF-8: 32 bytes.
    public static func sha256(key: [UInt8], _ text: String) -> [UInt8] {
        ThreadContexts.current.hmac.code(of: Array(text.utf8), key: key)
    }
}

/// Whether two secrets are the same. How long it takes depends on their lengths only, not on where they differ.
public func isEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    // What is compared is as long as `right` whatever `left` is, so that the time tells nothing of the length of `right` either.
    let hasSameLength = left.count == right.count
    return LibCrypto.areEqual(hasSameLength ? left : right, right) && hasSameLength
}
