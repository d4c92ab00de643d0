import CHecateSSL
import Locking

/// An RSA public key. Thread-safe.
public final class RSAPublicKey: Sendable {
    /// The digest of a signature.
    public enum SignatureDigest: Sendable, CaseIterable {
        /// SHA-1, SNS's default.
        case sha1
        case sha256
    }

    /// The accepted key sizes: smaller keys can be broken, larger ones are slow to verify.
    public static let sizes = 2048...8192
    /// The maximum size of the public exponent in bits, as in BoringSSL: with an exponent as long as the key, a
    /// verification would take a hundred times as long.
    private static let maximumExponentBits = 33

    /// The size of the modulus in bits.
    public let bits: Int

    // Both are immutable; libcrypto allows concurrent use and counts references atomically.
    private nonisolated(unsafe) let key: OpaquePointer
    private let sha1: VerificationContexts
    private let sha256: VerificationContexts

    /// Takes the key of a certificate or file.
    init(_ key: OpaquePointer) throws(CryptographyError) {
        guard EVP_PKEY_is_a(key, "RSA") == 1 else { throw .notRSA }
        let bits = Int(EVP_PKEY_get_bits(key))
        guard Self.sizes.contains(bits) else { throw .keySize(bits: bits) }
        let exponent = Int(hecate_rsa_exponent_bits(key))
        guard (2...Self.maximumExponentBits).contains(exponent) else {
            throw .malformed(reason: "the exponent of the RSA key has \(exponent) bits")
        }
        guard EVP_PKEY_up_ref(key) == 1 else { throw .malformed(reason: LibCrypto.takeReason() ?? "no reason given") }
        self.key = key
        self.bits = bits
        sha1 = VerificationContexts(LibCrypto.sha1)
        sha256 = VerificationContexts(LibCrypto.sha256)
    }

    deinit { EVP_PKEY_free(key) }

    /// Returns whether a signature of a message is valid (RSASSA-PKCS1-v1_5, RFC 8017, 8.2.2). A malformed signature is
    /// invalid.
    public func isValid(signature: [UInt8], for message: [UInt8], digest: SignatureDigest) -> Bool {
        switch digest {
        case .sha1: sha1.isValid(signature, digest: Digest.sha1(message), key: key)
        case .sha256: sha256.isValid(signature, digest: Digest.sha256(message), key: key)
        }
    }
}

/// Reusable contexts for verifying with one key and digest: one for each concurrent thread. Making one takes as long as
/// a part of the verification.
private final class VerificationContexts: Sendable {
    /// A context, owned by the thread that has taken it.
    private struct Context: @unchecked Sendable {
        // Used only by the thread that has taken it.
        let pointer: OpaquePointer
    }

    private let algorithm: LibCrypto.Algorithm
    private let idle = Mutex<[Context]>([])

    init(_ algorithm: LibCrypto.Algorithm) { self.algorithm = algorithm }

    deinit { idle.withLock { $0.forEach { EVP_PKEY_CTX_free($0.pointer) } } }

    func isValid(_ signature: [UInt8], digest: [UInt8], key: OpaquePointer) -> Bool {
        guard let context = idle.withLock({ $0.popLast() }) ?? make(key) else {
            LibCrypto.missing("a context for verifying")
        }
        let isValid = EVP_PKEY_verify(context.pointer, signature, signature.count, digest, digest.count) == 1
        // An invalid signature leaves an error in the queue.
        if !isValid { ERR_clear_error() }
        idle.withLock { $0.append(context) }
        return isValid
    }

    private func make(_ key: OpaquePointer) -> Context? {
        guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return nil }
        guard EVP_PKEY_verify_init(context) == 1, EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1,
            EVP_PKEY_CTX_set_signature_md(context, algorithm.pointer) == 1
        else {
            EVP_PKEY_CTX_free(context)
            return nil
        }
        return Context(pointer: context)
    }
}
