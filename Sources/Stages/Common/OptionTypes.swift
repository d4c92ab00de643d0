import HTTP
import PipelineKit
import Wire

extension OptionType where Value == ListenAddress {
    /// The address a server listens at.
    static let listenAddress = OptionType<String>.string.map(named: "address") { text in
        guard let address = ListenAddress(text) else {
            throw OptionError("'\(text)' is no address to listen on; write it like \":6700\" or \"127.0.0.1:6700\"")
        }
        return address
    }
}

extension OptionType where Value == FieldPath {
    /// The path of a field in a record.
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

/// The URL of a server: `http` or `https`, a host, and an optional port and path.
struct HTTPAddress: Sendable, Hashable, CustomStringConvertible {
    /// The URL without a `/` at the end of its path.
    let url: WebURL
    /// The URL as it was written, without a `/` at its end, ready to be extended.
    let description: String

    var scheme: String { url.scheme.rawValue }
    /// The host, for lookups.
    var host: String { url.host }

    init?(_ text: String) {
        // A Unix domain socket cannot be configured here, and a URL with a query cannot be extended.
        guard let url = try? WebURL(text), url.scheme != .unix, url.query == nil else { return nil }
        var rest = text.utf8.dropFirst(url.scheme.rawValue.utf8.count)
        while rest.last == UInt8(ascii: "/") { rest.removeLast() }
        description = url.scheme.rawValue + String(Substring(rest))
        guard let shortened = try? WebURL(description) else { return nil }
        self.url = shortened
    }
}

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
