import Wire

extension FuzzTarget {
    /// A URL that a client is to ask: what is read can stand in a request line and in `Host`, and reads again as the same.
    static let url = FuzzTarget(
        name: "url",
        corpus: [
            "http://a.example/", "https://a.example:8443/x/y?z=1&w=%20", "HTTP://[2001:DB8::1]:80?q",
            "http://127.0.0.1:65535",
            "http+unix://%2Frun%2Fa.sock/x", "http://a_b.example:1/..//?/?",
        ]
    ) { bytes in
        guard let url = try? WebURL(bytes.text) else { return }
        let shown = url.description
        guard let again = try? WebURL(shown) else { preconditionFailure("\(shown) is not read again") }
        precondition(again == url, "\(shown) reads as another")
        precondition(!url.host.isEmpty && (1...65535).contains(url.effectivePort))
        for text in [url.target, url.authority] {
            precondition(!text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") })
        }
        precondition(url.target.utf8.first == UInt8(ascii: "/"), "the target \(url.target)")
        precondition(!url.authority.utf8.contains { $0 == UInt8(ascii: "@") || $0 == UInt8(ascii: "/") })
        precondition((try? url.at(url.target)) == url, "\(shown) is elsewhere at its own target")
    }
}
