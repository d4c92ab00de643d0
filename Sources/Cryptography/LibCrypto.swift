import CHecateSSL

/// What this module uses of OpenSSL's libcrypto.
enum LibCrypto {
    /// An algorithm, fetched once: fetching searches all providers.
    struct Algorithm: @unchecked Sendable {
        // A fetched algorithm is immutable and reference-counted atomically (EVP_MD_fetch(3), "thread-safe"). Never
        // freed.
        let pointer: OpaquePointer
    }

    static let sha1 = digest("SHA1")
    static let sha256 = digest("SHA256")
    static let hmac: Algorithm = {
        prepare()
        guard let algorithm = EVP_MAC_fetch(nil, "HMAC", nil) else { missing("HMAC") }
        return Algorithm(pointer: algorithm)
    }()

    private static func digest(_ name: String) -> Algorithm {
        prepare()
        guard let algorithm = EVP_MD_fetch(nil, name, nil) else { missing(name) }
        return Algorithm(pointer: algorithm)
    }

    /// Disables OpenSSL's cleanup at exit, because threads may be using it. Does nothing when called again.
    static func prepare() { OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) }

    /// Stops the process: libcrypto lacks an algorithm, or memory is exhausted. Never for external input.
    static func missing(_ name: String) -> Never {
        fatalError("OpenSSL does not give \(name): \(takeReason() ?? "no reason given")")
    }

    /// Returns OpenSSL's reason for a failure on this thread: the first error of the queue, which caused the others.
    /// Clears the queue, because a connection would report its errors.
    static func takeReason() -> String? {
        defer { ERR_clear_error() }
        return ERR_reason_error_string(ERR_peek_error()).map { String(cString: $0) }
    }

    /// Compares without branches on the content. The lengths must be equal.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool { CRYPTO_memcmp(left, right, right.count) == 0 }
}

/// A reusable digest context: making one takes as long as a short digest. Used on one thread.
final class DigestContext {
    private let context: OpaquePointer
    private let algorithm: OpaquePointer
    private let size: Int

    init(_ algorithm: LibCrypto.Algorithm) {
        guard let context = EVP_MD_CTX_new() else { LibCrypto.missing("a context for digests") }
        self.context = context
        self.algorithm = algorithm.pointer
        size = Int(EVP_MD_get_size(algorithm.pointer))
    }

    deinit { EVP_MD_CTX_free(context) }

    func digest(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { digest, count in
            guard EVP_DigestInit_ex2(context, algorithm, nil) == 1,
                EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1,
                EVP_DigestFinal_ex(context, digest.baseAddress, nil) == 1
            else { LibCrypto.missing("a digest") }
            count = size
        }
    }
}

/// A reusable HMAC-SHA256 context. Used on one thread.
final class HMACContext {
    private let context: OpaquePointer

    init() {
        guard let context = hecate_hmac_sha256_new(LibCrypto.hmac.pointer) else {
            LibCrypto.missing("a context for HMAC")
        }
        self.context = context
    }

    deinit { EVP_MAC_CTX_free(context) }

    func code(of bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { code, count in
            // An empty key is valid; NULL would reuse the last key.
            let isKeyed = key.isEmpty ? EVP_MAC_init(context, [0], 0, nil) : EVP_MAC_init(context, key, key.count, nil)
            guard isKeyed == 1, EVP_MAC_update(context, bytes, bytes.count) == 1,
                EVP_MAC_final(context, code.baseAddress, &count, 32) == 1
            else { LibCrypto.missing("an HMAC") }
        }
    }
}
