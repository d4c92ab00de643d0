import CHecateSSL
package import Foundation

/// An RSA key of a test.
package final class TestKey: @unchecked Sendable {
    // `@unchecked Sendable`: the key is made at init and never changed after; OpenSSL lets threads share a key that none of them
    // changes. Every signature has a context of its own.
    fileprivate let key: OpaquePointer

    /// What OpenSSL did not do.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        /// The words of OpenSSL's newest error.
        init(_ what: String) {
            var text = [CChar](repeating: 0, count: 256)
            ERR_error_string_n(ERR_get_error(), &text, text.count)
            description =
                "\(what): \(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))"
        }
    }

    /// A new key.
    package init(bits: Int = 2048) throws {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(bits)) == 1,
            EVP_PKEY_keygen(context, &made) == 1, let made
        else { throw Failure("no key") }
        key = made
    }

    deinit { EVP_PKEY_free(key) }

    /// The private key, PEM.
    package var pem: String { text { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) } }

    /// The signature of bytes with RSASSA-PKCS1-v1_5, over their SHA-1 or their SHA-256.
    package func sign(_ bytes: [UInt8], isSHA1: Bool = false) throws -> [UInt8] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: Int(EVP_PKEY_get_size(key)))
        var count = signature.count
        guard EVP_DigestSignInit(context, nil, isSHA1 ? EVP_sha1() : EVP_sha256(), nil, key) == 1,
            EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1
        else { throw Failure("no signature") }
        return Array(signature[..<count])
    }
}

/// A certificate of a test, with its key.
package struct TestCertificate: Sendable {
    /// The certificate, PEM.
    package let pem: String
    /// Its key.
    package let key: TestKey
    private let name: String

    /// A new certificate.
    ///
    /// - Parameters:
    ///   - name: the common name of its subject.
    ///   - alternatives: whom it is for, in OpenSSL's words; nil for no such extension.
    ///   - isAuthority: whether it may sign others.
    ///   - issuer: who signs it; nil for itself.
    package init(
        name: String = "test", alternatives: String? = "DNS:localhost,IP:127.0.0.1", isAuthority: Bool = true,
        issuer: TestCertificate? = nil, key: TestKey? = nil, validFrom: Date = Date(timeIntervalSinceNow: -3600),
        validUntil: Date = Date(timeIntervalSinceNow: 86_400)
    ) throws {
        let key = try key ?? TestKey()
        let made = X509_new()
        defer { X509_free(made) }
        X509_set_version(made, 2)  // which is called version 3
        ASN1_INTEGER_set_int64(X509_get_serialNumber(made), .random(in: 1 ... .max))
        ASN1_TIME_set(X509_getm_notBefore(made), Int(validFrom.timeIntervalSince1970))
        ASN1_TIME_set(X509_getm_notAfter(made), Int(validUntil.timeIntervalSince1970))
        X509_set_pubkey(made, key.key)
        let isNamed =
            X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", Self.ascii, name, -1, -1, 0) == 1
            && X509_NAME_add_entry_by_txt(
                X509_get_issuer_name(made), "CN", Self.ascii, issuer?.name ?? name, -1, -1, 0) == 1
        guard isNamed else { throw TestKey.Failure("no name") }
        try Self.add(NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE", to: made)
        if let alternatives { try Self.add(NID_subject_alt_name, alternatives, to: made) }
        guard X509_sign(made, issuer?.key.key ?? key.key, EVP_sha256()) > 0 else { throw TestKey.Failure("not signed") }
        (self.name, self.key) = (name, key)
        pem = text { PEM_write_bio_X509($0, made) }
    }

    /// `MBSTRING_ASC`, a macro.
    private static let ascii: Int32 = 0x1001

    private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer?) throws {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
        let made = X509V3_EXT_nconf_nid(nil, &context, kind, value)
        defer { X509_EXTENSION_free(made) }
        guard made != nil, X509_add_ext(certificate, made, -1) == 1 else { throw TestKey.Failure("no \(value)") }
    }
}

/// What OpenSSL writes, as text.
private func text(_ write: (OpaquePointer?) -> Int32) -> String {
    let memory = BIO_new(BIO_s_mem())
    defer { BIO_free(memory) }
    guard write(memory) == 1 else { return "" }
    var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(memory))
    let count = BIO_read(memory, &bytes, Int32(bytes.count))
    return String(decoding: bytes.prefix(Int(max(0, count))), as: UTF8.self)
}
