import CHecateSSL

/// What TLS sessions have in common: certificates, trust, options.
///
/// `@unchecked Sendable`: OpenSSL counts the uses of a context itself, and nothing is changed in it after `init`.
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer

    private init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { SSL_CTX_free(pointer) }

    /// A context for servers: TLS 1.2 at least.
    static func server() throws(TLSError) -> TLSContext {
        let context = try make(TLS_server_method())
        hecate_ssl_set_server_options(context.pointer)
        hecate_ssl_choose_http11(context.pointer)
        return context
    }

    /// A context for clients: TLS 1.2 at least. Trusts nobody yet.
    static func client() throws(TLSError) -> TLSContext {
        let context = try make(TLS_client_method())
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        return context
    }

    private static func make(_ method: OpaquePointer) throws(TLSError) -> TLSContext {
        _ = initialized
        ERR_clear_error()
        guard let created = SSL_CTX_new(method) else { throw TLSError.last() }
        let context = TLSContext(created)
        guard hecate_ssl_require_tls12(created) == 1 else { throw TLSError.last() }
        // A key that is locked by a password would be asked for at the terminal.
        SSL_CTX_set_default_passwd_cb(created) { _, _, _, _ in -1 }
        hecate_ssl_set_modes(created)
        hecate_ssl_read_ahead(created)
        return context
    }

    /// OpenSSL would clean up when the process exits, while loops still work with it.
    private static let initialized: Void = {
        OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
    }()

    /// Shows a certificate with its chain, from PEM files, and checks that the key is the certificate's.
    func use(certificate: String, key: String) throws(TLSError) {
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(pointer, certificate) == 1,
            SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) == 1, SSL_CTX_check_private_key(pointer) == 1
        else { throw TLSError.last() }
    }

    /// Takes any certificate of the other side. For tests.
    func verifyNobody() { SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil) }

    /// A session for the accepting side of a connection; who takes it frees it.
    func acceptingSession() -> OpaquePointer? {
        guard let session = SSL_new(pointer) else { return nil }
        SSL_set_accept_state(session)
        return session
    }

    /// A session for the connecting side of a connection; who takes it frees it.
    func connectingSession() -> OpaquePointer? {
        guard let session = SSL_new(pointer) else { return nil }
        SSL_set_connect_state(session)
        return session
    }
}

/// What OpenSSL complains about, in words.
struct TLSError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// The first of the errors that this thread has collected, which is the cause of the others; they are cleared.
    static func last() -> TLSError {
        defer { ERR_clear_error() }
        var data: UnsafePointer<CChar>?
        var flags: Int32 = 0
        let code = ERR_peek_error_all(nil, nil, nil, &data, &flags)
        guard code != 0 else { return TLSError("unknown") }
        // A system's error has no words among OpenSSL's own; the call and the file stand beside it.
        let words = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code & 0x7f_ffff)"
        guard flags & ERR_TXT_STRING != 0, let data, data.pointee != 0 else { return TLSError(words) }
        return TLSError("\(words) (\(String(cString: data)))")
    }
}
