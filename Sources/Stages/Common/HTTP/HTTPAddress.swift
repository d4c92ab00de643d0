import Wire

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
