/// The address of a server as operators write it: `:6700`, `127.0.0.1:6700`, `localhost:6700`, `[::1]:6700`.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// The host; by default `0.0.0.0`, all IPv4 addresses of the machine.
    public let host: String
    /// The port; 0 for any free one.
    public let port: Int
    /// The path of a Unix domain socket to listen on instead; nil for the network.
    public let unixPath: String?

    /// Makes the address of a Unix domain socket, whose file must not exist.
    public init(unixPath: String) {
        (host, port, self.unixPath) = ("", 0, unixPath)
    }

    /// Parses an address; nil if it is malformed.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard host.allSatisfy({ $0.isASCII && !$0.isWhitespace }) else { return nil }
        self.host = host.isEmpty ? "0.0.0.0" : String(host)
        self.port = Int(port)
        unixPath = nil
    }

    /// The address as text that parses to the same address.
    public var description: String { unixPath ?? network }

    private var network: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
