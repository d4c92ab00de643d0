import CHecateSSL
import Glibc
import Locking

/// The files of a client's TLS configuration. By default the system's roots and no certificate.
public struct ClientTLSFiles: Sendable, Hashable {
    /// The PEM file of trusted certificates, which replaces the system's: `/etc/ssl/certs/ca-certificates.crt`, or
    /// `SSL_CERT_FILE` in the environment.
    public var ca: String?
    /// The PEM file of the client certificate and its chain.
    public var certificate: String?
    /// The PEM file of the client certificate's private key.
    public var key: String?

    public init(ca: String? = nil, certificate: String? = nil, key: String? = nil) {
        self.ca = ca
        self.certificate = certificate
        self.key = key
    }
}

/// Why a client's certificates cannot be read.
public struct ClientTLSError: Error, Equatable, CustomStringConvertible {
    public let description: String
}

/// The TLS configuration of a client. Always verifies the server's certificate chain and its name or address (RFC 9110,
/// 4.3.4). Thread-safe.
final class ClientTLSContext: Sendable {
    private struct State {
        var context: TLSContext?
        /// Whether trusted roots are loaded.
        var isReady = false
    }

    private let state: Mutex<State>

    /// Reads the files.
    ///
    /// - Throws: `ClientTLSError` if a file cannot be read. The system's roots are read when they are first needed.
    init(_ files: ClientTLSFiles) throws(ClientTLSError) {
        guard files != ClientTLSFiles() else {
            state = Mutex(State())
            return
        }
        state = Mutex(State(context: try Self.read(files), isReady: files.ca != nil))
    }

    private static func read(_ files: ClientTLSFiles) throws(ClientTLSError) -> TLSContext {
        guard (files.certificate == nil) == (files.key == nil) else {
            throw ClientTLSError(description: "a client certificate and its key go together")
        }
        let context: TLSContext
        do throws(TLSError) {
            context = try TLSContext.client()
        } catch {
            throw ClientTLSError(description: "TLS cannot be had: \(error)")
        }
        if let ca = files.ca {
            do throws(TLSError) {
                try context.trust(try RootStore(file: ca, isPartialChainEnough: true))
            } catch {
                throw ClientTLSError(description: "the certificates to trust, '\(ca)', cannot be read: \(error)")
            }
        }
        if let certificate = files.certificate, let key = files.key {
            do throws(TLSError) {
                try context.use(certificate: certificate, key: key)
            } catch {
                throw ClientTLSError(
                    description: "the client certificate '\(certificate)' or its key '\(key)' cannot be read: \(error)")
            }
        }
        return context
    }

    /// Whether sessions can be made without reading from disk.
    var isReady: Bool { state.withLock { $0.isReady } }

    /// Reads the system's roots if needed. Blocks.
    ///
    /// - Throws: if they cannot be read; the next call tries again.
    func prepare() throws(ClientTLSError) {
        guard !isReady else { return }
        let path = RootStore.systemFile
        do throws(TLSError) {
            let roots = try RootStore.system(path)
            let known = state.withLock { $0.context }
            let created = if let known { known } else { try TLSContext.client() }
            try state.withLock { state throws(TLSError) in
                guard !state.isReady else { return }
                try created.trust(roots)
                (state.context, state.isReady) = (created, true)
            }
        } catch {
            throw ClientTLSError(description: "the certificates to trust, '\(path)', cannot be read: \(error)")
        }
    }

    /// Makes a session that verifies the server as this host; nil on failure. The caller frees it.
    func session(with host: String) -> OpaquePointer? {
        guard let session = state.withLock({ $0.isReady ? $0.context : nil })?.connectingSession() else { return nil }
        if verify(session, host) { return session }
        SSL_free(session)
        return nil
    }

    private func verify(_ session: OpaquePointer, _ host: String) -> Bool {
        if SocketAddress(numeric: host) != nil {
            return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
        }
        // The final dot of an absolute name is only for lookups (RFC 6066, 3).
        let name = host.utf8.last == UInt8(ascii: ".") ? String(host.dropLast()) : host
        SSL_set_hostflags(
            session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS) | UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        return SSL_set1_host(session, name) == 1 && hecate_ssl_set_server_name(session, name) == 1
    }
}

/// A set of trusted certificates.
///
/// `@unchecked Sendable`: OpenSSL's store is reference-counted, locks itself and is not changed after `init`.
private final class RootStore: @unchecked Sendable {
    fileprivate let pointer: OpaquePointer

    /// - Parameter isPartialChainEnough: whether a certificate is trusted even if it is not self-signed.
    init(file: String, isPartialChainEnough: Bool) throws(TLSError) {
        ERR_clear_error()
        guard let created = X509_STORE_new() else { throw TLSError.last() }
        pointer = created
        // OpenSSL's message for a missing file is about its internals.
        guard access(file, R_OK) == 0 else { throw TLSError(String(cString: strerror(errno))) }
        guard X509_STORE_load_file(created, file) == 1 else { throw TLSError.last() }
        if isPartialChainEnough { X509_STORE_set_flags(created, UInt(X509_V_FLAG_PARTIAL_CHAIN)) }
    }

    deinit { X509_STORE_free(pointer) }

    private static let systems = Mutex<[String: RootStore]>([:])

    /// The file with the system's roots. OpenSSL's default folder belongs to a package that an image may lack.
    static var systemFile: String {
        if let path = environment("SSL_CERT_FILE"), !path.isEmpty { return path }
        return "/etc/ssl/certs/ca-certificates.crt"
    }

    /// The system's roots, read once per process.
    static func system(_ path: String) throws(TLSError) -> RootStore {
        try systems.withLock { systems throws(TLSError) in
            if let read = systems[path] { return read }
            let read = try RootStore(file: path, isPartialChainEnough: false)
            systems[path] = read
            return read
        }
    }
}

extension TLSContext {
    /// Trusts these certificates.
    fileprivate func trust(_ roots: RootStore) throws(TLSError) {
        guard X509_STORE_up_ref(roots.pointer) == 1 else { throw TLSError.last() }
        SSL_CTX_set_cert_store(pointer, roots.pointer)
    }
}
