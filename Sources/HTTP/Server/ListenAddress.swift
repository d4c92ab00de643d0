/// Where a server listens, as operators write it: `:6700`, `127.0.0.1:6700`, `localhost:6700`, `[::1]:6700`.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// The host; `0.0.0.0`, all of the machine's IPv4 addresses, where none is written.
    public let host: String
    /// The port; 0 for any that is free.
    public let port: Int
    /// The path of a Unix domain socket, which is listened on instead; nil for the network.
    public let unixPath: String?

    /// A Unix domain socket. A file that is there already is in the way.
    public init(unixPath: String) {
        (host, port, self.unixPath) = ("", 0, unixPath)
    }

    /// Reads an address; nil where the text is none.
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

    /// The address as it can be read again.
    public var description: String { unixPath ?? network }

    private var network: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
