import HTTP
import PipelineKit
import Wire

/// The TLS options of a client.
struct ClientTLS: Sendable {
    private static let ca = Option(
        optional: "ca", .path, help: "PEM file with trusted certificates; by default the system's")
    private static let certificate = Option(
        optional: "certificate", .path, help: "file with the client certificate and its chain, PEM")
    private static let key = Option(optional: "key", .path, help: "file with the client certificate's private key, PEM")

    /// Returns the option for them, with a name.
    static func option(_ name: String, help: String) -> Option<Options> {
        Option(name, .group(name, [ca, certificate, key]), default: Options(), shown: "", help: help)
    }

    /// The files with trusted certificates and the client's own.
    let files: ClientTLSFiles

    init(_ options: Options) throws {
        files = ClientTLSFiles(
            ca: options[Self.ca], certificate: options[Self.certificate], key: options[Self.key])
        guard (files.certificate == nil) == (files.key == nil) else {
            throw OptionError(
                "'certificate' and 'key' go together",
                at: options.location(of: Self.certificate) ?? options.location(of: Self.key))
        }
    }

    /// Returns the configuration of the HTTP client.
    ///
    /// - Parameter connections: the maximum number of connections to one host.
    func configuration(connections: Int = 8) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.tls = files
        configuration.connectionsPerHost = connections
        return configuration
    }
}
