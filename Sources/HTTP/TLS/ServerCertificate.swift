import Locking

/// The files of a server's certificate.
public struct ServerTLS: Sendable, Equatable {
    /// The PEM file of the certificate and its chain.
    public var certificate: String
    /// The PEM file of the private key.
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// A server's certificate, which can be replaced while it serves: new connections use the new one. Thread-safe.
public final class ServerCertificate: Sendable {
    private let context: Mutex<TLSContext>

    /// Reads a certificate and its key.
    ///
    /// - Throws: `HTTPListenerError` if they cannot be read or do not match.
    public init(_ files: ServerTLS) throws { context = Mutex(try Self.read(files)) }

    /// Reads another certificate for new connections. Keeps the old one if that fails.
    ///
    /// - Throws: `HTTPListenerError` if it fails.
    public func replace(by files: ServerTLS) throws {
        let other = try Self.read(files)
        context.withLock { $0 = other }
    }

    /// Makes a session for an accepted connection.
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
