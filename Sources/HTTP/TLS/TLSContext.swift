import CHecateSSL
import Glibc

/// An OpenSSL context: certificates, trust and options of TLS sessions.
///
/// `@unchecked Sendable`: the context is reference-counted by OpenSSL and not changed after `init`.
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer

    private init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { SSL_CTX_free(pointer) }

    /// Makes a context for servers, with TLS 1.2 or later.
    static func server() throws(TLSError) -> TLSContext {
        let context = try make(TLS_server_method())
        hecate_ssl_set_server_options(context.pointer)
        hecate_ssl_choose_http11(context.pointer)
        return context
    }

    /// Makes a context for clients, with TLS 1.2 or later and no trusted certificates.
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
        // OpenSSL would ask for the password of an encrypted key on the terminal.
        SSL_CTX_set_default_passwd_cb(created) { _, _, _, _ in -1 }
        hecate_ssl_set_modes(created)
        hecate_ssl_read_ahead(created)
        return context
    }

    /// Prevents OpenSSL's cleanup at exit, while event loops still use it.
    private static let initialized: Void = {
        OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
    }()

    /// Uses a certificate with its chain from PEM files, and checks that the key matches.
    func use(certificate: String, key: String) throws(TLSError) {
        // OpenSSL would name a missing file by its own call.
        for file in [certificate, key] where access(file, R_OK) != 0 {
            throw TLSError("\(file): \(String(cString: strerror(errno)))")
        }
        ERR_clear_error()
        guard SSL_CTX_use_certificate_chain_file(pointer, certificate) == 1,
            SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) == 1, SSL_CTX_check_private_key(pointer) == 1
        else { throw TLSError.last() }
    }

    /// Accepts any certificate of the peer. For tests.
    func verifyNobody() { SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil) }

    /// Makes a session for the accepting side; the caller frees it.
    func acceptingSession() -> OpaquePointer? {
        guard let session = SSL_new(pointer) else { return nil }
        SSL_set_accept_state(session)
        return session
    }

    /// Makes a session for the connecting side; the caller frees it.
    func connectingSession() -> OpaquePointer? {
        guard let session = SSL_new(pointer) else { return nil }
        SSL_set_connect_state(session)
        return session
    }
}

/// An OpenSSL error as text.
struct TLSError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// Returns the first error in this thread's queue, which caused the others, and clears the queue.
    static func last() -> TLSError {
        defer { ERR_clear_error() }
        var data: UnsafePointer<CChar>?
        var flags: Int32 = 0
        let code = ERR_peek_error_all(nil, nil, nil, &data, &flags)
        guard code != 0 else { return TLSError("unknown") }
        // OpenSSL has no text for system errors; the call and the file are in the data.
        let words = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code & 0x7f_ffff)"
        guard flags & ERR_TXT_STRING != 0, let data, data.pointee != 0 else { return TLSError(words) }
        return TLSError("\(words) (\(String(cString: data)))")
    }
}
