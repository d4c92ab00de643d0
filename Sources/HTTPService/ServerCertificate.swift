import NIOCore
import NIOSSL
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
/// one. May be used from any thread.
public final class ServerCertificate: Sendable {
    private struct Pair: Sendable {
        let chain: [NIOSSLCertificateSource]
        let key: NIOSSLPrivateKeySource

        init(_ files: ServerTLS) throws {
            do {
                chain = try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) }
                key = .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem))
            } catch {
                throw HTTPListenerError(
                    "the TLS certificate '\(files.certificate)' or its key '\(files.key)' cannot be read: \(error)")
            }
        }
    }

    private let pair: Mutex<Pair>

    /// Reads a certificate and its key.
    ///
    /// - Throws: `HTTPListenerError` where that is not possible.
    public init(_ files: ServerTLS) throws { pair = Mutex(try Pair(files)) }

    /// Reads another, which is shown from now on. Where it cannot be read, the old one stays.
    ///
    /// - Throws: `HTTPListenerError` where that is not possible.
    public func replace(by files: ServerTLS) throws {
        let other = try Pair(files)
        pair.withLock { $0 = other }
    }

    func configuration() -> TLSConfiguration {
        let first = pair.withLock { $0 }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: first.chain, privateKey: first.key)
        configuration.sslContextCallback = { [self] _, promise in
            let now = pair.withLock { $0 }
            var shown = NIOSSLContextConfigurationOverride()
            shown.certificateChain = now.chain
            shown.privateKey = now.key
            promise.succeed(shown)
        }
        return configuration
    }
}
