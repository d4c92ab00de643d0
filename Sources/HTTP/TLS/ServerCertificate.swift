import Locking

/// Where the certificate is that a server shows.
public struct ServerTLS: Sendable, Equatable {
    /// The file with the certificate and its chain, PEM.
    public var certificate: String
    /// The file with the private key, PEM.
    public var key: String

    /// A certificate and its key.
    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// The certificate that a server shows, which may be replaced while it serves: connections that are made afterwards see the new
/// one, those that are there keep theirs. May be used from any thread.
public final class ServerCertificate: Sendable {
    private let context: Mutex<TLSContext>

    /// Reads a certificate and its key.
    ///
    /// - Throws: `HTTPListenerError` where that is not possible, or the key is another certificate's.
    public init(_ files: ServerTLS) throws { context = Mutex(try Self.read(files)) }

    /// Reads another, which is shown from now on. Where it cannot be read, or the key does not fit, the old one stays.
    ///
    /// - Throws: `HTTPListenerError` where that is not possible.
    public func replace(by files: ServerTLS) throws {
        let other = try Self.read(files)
        context.withLock { $0 = other }
    }

    /// A session for a connection that was accepted now.
    func session() -> OpaquePointer? { context.withLock { $0 }.acceptingSession() }

    private static func read(_ files: ServerTLS) throws(HTTPListenerError) -> TLSContext {
        do throws(TLSError) {
            let context = try TLSContext.server()
            try context.use(certificate: files.certificate, key: files.key)
            return context
        } catch {
            throw HTTPListenerError(
                "the TLS certificate '\(files.certificate)' or its key '\(files.key)' cannot be read: \(error)")
        }
    }
}
