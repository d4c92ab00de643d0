import AsyncHTTPClient
import HTTP
import NIOCore
import NIOPosix
import NIOSSL
import PipelineKit
import Wire

extension OptionType where Value == ListenAddress {
    /// Where a server listens.
    static let listenAddress = OptionType<String>.string.map(named: "address") { text in
        guard let address = ListenAddress(text) else {
            throw OptionError("'\(text)' is no address to listen on; write \":6700\" or \"127.0.0.1:6700\"")
        }
        return address
    }
}

extension OptionType where Value == FieldPath {
    /// The way to a field of a record.
    static let fieldPath = OptionType<String>.string.map(named: "field") { text in
        guard let path = FieldPath(text) else { throw OptionError("'\(text)' is no field such as config.url") }
        return path
    }
}

extension OptionType where Value == HTTPAddress {
    /// The URL of a server, without query and fragment.
    static let httpAddress = OptionType<String>.string.map(named: "URL") { text in
        guard let address = HTTPAddress(text) else {
            throw OptionError("'\(text)' is no URL such as http://localhost:6600 or https://argus.example.net")
        }
        return address
    }
}

/// The URL of a server: `http` or `https`, a host, perhaps a port and a path.
struct HTTPAddress: Sendable, Hashable, CustomStringConvertible {
    /// `http` or `https`.
    let scheme: String
    /// The host, for look-ups.
    let host: String
    /// The whole without a `/` at its end, ready to be continued.
    let description: String

    init?(_ text: String) {
        guard let scheme = ["https", "http"].first(where: { text.lowercased().hasPrefix("\($0)://") }) else {
            return nil
        }
        let rest = text.dropFirst(scheme.count + 3)
        let authority = rest.prefix { $0 != "/" }
        guard let host = URLHost.of(authority: authority), !authority.contains("@") else { return nil }
        // Printable ASCII without what would begin a query or a fragment: it goes into a request line as it is.
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        else {
            return nil
        }
        var whole = "\(scheme)://\(rest)"
        while whole.hasSuffix("/") { whole.removeLast() }
        self.scheme = scheme
        self.host = host
        description = whole
    }
}

/// The certificates of a client's TLS, as options.
struct ClientTLS: Sendable {
    private static let ca = Option(
        optional: "ca", .path, help: "file with the certificates to trust, PEM; else the system's")
    private static let certificate = Option(
        optional: "certificate", .path, help: "file with the client certificate and its chain, PEM")
    private static let key = Option(optional: "key", .path, help: "file with the client certificate's private key, PEM")

    /// The options under a name.
    static func option(_ name: String, help: String) -> Option<Options> {
        Option(name, .group(name, [ca, certificate, key]), default: Options(), shown: "", help: help)
    }

    private let ca: String?
    private let certificate: String?
    private let key: String?

    init(_ options: Options) throws {
        ca = options[Self.ca]
        certificate = options[Self.certificate]
        key = options[Self.key]
        guard (certificate == nil) == (key == nil) else {
            throw OptionError(
                "'certificate' and 'key' go together",
                at: options.location(of: Self.certificate) ?? options.location(of: Self.key))
        }
    }

    /// What a connection trusts and shows.
    ///
    /// - Throws: where a file cannot be read.
    func configuration() throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let ca { tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(ca)) }
        if let certificate, let key {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        }
        return tls
    }

    /// A client that follows no redirects.
    ///
    /// - Parameter connections: the most connections to one host.
    /// - Throws: where a file cannot be read.
    func makeClient(connections: Int = 8) throws -> HTTPClient {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try self.configuration(), redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
        // The client's own pauses between attempts to connect grow to a minute, in which a server that is back would not be
        // noticed. When to try again is the runner's.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
    }
}
