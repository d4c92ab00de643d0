import CHecateSSL
import Glibc
import Locking

/// The files with what a client trusts and shows. All nil: the system's roots, and no certificate.
public struct ClientTLSFiles: Sendable, Hashable {
    /// The certificates to trust, and no others, PEM; else those of the system: `/etc/ssl/certs/ca-certificates.crt`, or what
    /// `SSL_CERT_FILE` in the environment says.
    public var ca: String?
    /// The client certificate and its chain, PEM.
    public var certificate: String?
    /// The private key of the client certificate, PEM.
    public var key: String?

    /// Files by their paths.
    public init(ca: String? = nil, certificate: String? = nil, key: String? = nil) {
        self.ca = ca
        self.certificate = certificate
        self.key = key
    }
}

/// Certificates that a client cannot read.
public struct ClientTLSError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, for people.
    public let description: String
}

/// What the sessions of a client have in common. Servers are verified, always: that their certificate is signed by somebody whom the
/// client trusts, and that it is for the name or the address which is asked (RFC 9110, 4.3.4). May be used from any thread.
final class ClientTLSContext: Sendable {
    private struct State {
        var context: TLSContext?
        /// Whether it trusts somebody.
        var isReady = false
    }

    private let state: Mutex<State>

    /// Reads the files.
    ///
    /// - Throws: `ClientTLSError` where that is not possible. The system's roots are read when they are needed.
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

    /// Whether sessions can be made without waiting for the disk.
    var isReady: Bool { state.withLock { $0.isReady } }

    /// Reads the system's roots where they are needed; blocks.
    ///
    /// - Throws: where they cannot be read. They may be the next time.
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

    /// A session with a server, which is verified as this host; nil where there is none to be had. Who takes it frees it.
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
        // The dot at the end of a whole name belongs to look-ups only (RFC 6066, 3).
        let name = host.utf8.last == UInt8(ascii: ".") ? String(host.dropLast()) : host
        SSL_set_hostflags(
            session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS) | UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        return SSL_set1_host(session, name) == 1 && hecate_ssl_set_server_name(session, name) == 1
    }
}

/// Certificates that are trusted.
///
/// `@unchecked Sendable`: OpenSSL counts the uses of a store and locks it itself; nothing is changed in it after `init`.
private final class RootStore: @unchecked Sendable {
    fileprivate let pointer: OpaquePointer

    /// - Parameter isPartialChainEnough: whether a certificate of the file is trusted also where it is not its own issuer.
    init(file: String, isPartialChainEnough: Bool) throws(TLSError) {
        ERR_clear_error()
        guard let created = X509_STORE_new() else { throw TLSError.last() }
        pointer = created
        // What OpenSSL says of a file that is not there is about its own insides.
        guard access(file, R_OK) == 0 else { throw TLSError(String(cString: strerror(errno))) }
        guard X509_STORE_load_file(created, file) == 1 else { throw TLSError.last() }
        if isPartialChainEnough { X509_STORE_set_flags(created, UInt(X509_V_FLAG_PARTIAL_CHAIN)) }
    }

    deinit { X509_STORE_free(pointer) }

    private static let systems = Mutex<[String: RootStore]>([:])

    /// Where the system's roots are. OpenSSL's own folder belongs to a package that an image may lack.
    static var systemFile: String {
        if let path = environment("SSL_CERT_FILE"), !path.isEmpty { return path }
        return "/etc/ssl/certs/ca-certificates.crt"
    }

    /// The system's roots, read once for the process.
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
