import CHecateSSL
import Glibc

/// Why a certificate or key cannot be used.
public enum CryptographyError: Error, Sendable, Equatable, CustomStringConvertible {
    /// It is no certificate, with OpenSSL's reason.
    case malformed(reason: String)
    /// The key is no RSA key.
    case notRSA
    /// The size of the key is outside `RSAPublicKey.sizes`.
    case keySize(bits: Int)

    public var description: String {
        switch self {
        case .malformed(let reason): "the certificate cannot be read: \(reason)"
        case .notRSA: "the certificate has no RSA key"
        case .keySize(let bits):
            "the certificate's key has \(bits) bits; from \(RSAPublicKey.sizes.lowerBound) to \(RSAPublicKey.sizes.upperBound) are taken"
        }
    }
}

/// An X.509 certificate with an RSA key, parsed from PEM. Its issuer is not verified: it must come from a trusted
/// place.
public struct Certificate: Sendable {
    /// The maximum size of the text.
    private static let maximumBytes = 64 << 10

    /// The first valid second, since 1970.
    public let notBefore: Int64
    /// The last valid second, since 1970.
    public let notAfter: Int64
    public let publicKey: RSAPublicKey

    /// Parses the first certificate of a text.
    public init(pem: [UInt8]) throws(CryptographyError) {
        guard pem.count <= Self.maximumBytes else {
            throw .malformed(reason: "it is longer than \(Self.maximumBytes) bytes")
        }
        guard !pem.isEmpty else { throw .malformed(reason: "it is empty") }
        LibCrypto.prepare()
        ERR_clear_error()
        defer { ERR_clear_error() }
        guard let certificate = pem.withUnsafeBytes(Self.read) else { throw Self.failure() }
        defer { X509_free(certificate) }
        notBefore = try Self.seconds(X509_get0_notBefore(certificate))
        notAfter = try Self.seconds(X509_get0_notAfter(certificate))
        guard let key = X509_get0_pubkey(certificate) else { throw Self.failure() }
        publicKey = try RSAPublicKey(key)
    }

    private static func read(_ pem: UnsafeRawBufferPointer) -> OpaquePointer? {
        guard let text = BIO_new_mem_buf(pem.baseAddress, Int32(pem.count)) else { return nil }
        defer { BIO_free(text) }
        // Without a password callback OpenSSL would prompt on the terminal for an encrypted block.
        return PEM_read_bio_X509(text, nil, { _, _, _, _ in -1 }, nil)
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) throws(CryptographyError) -> Int64 {
        var parts = tm()
        // Without a time ASN1_TIME_to_tm returns the current one.
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { throw failure() }
        return Int64(timegm(&parts))
    }

    private static func failure() -> CryptographyError {
        .malformed(reason: LibCrypto.takeReason() ?? "no reason given")
    }
}
