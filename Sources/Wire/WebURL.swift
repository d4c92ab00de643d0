import Glibc

/// The URL of a server or of a resource on it: `http`, `https`, or `http+unix` for a Unix domain socket. Parsed
/// strictly: its parts can be used in a request line and in `Host` unchanged. Source: RFC 3986, without user
/// information and fragments.
public struct WebURL: Sendable, Hashable, CustomStringConvertible {
    public enum Scheme: String, Sendable, Hashable {
        /// HTTP over TCP.
        case http
        /// HTTP over TLS.
        case https
        /// HTTP over a Unix domain socket, whose percent-encoded path replaces the host.
        case unix = "http+unix"
    }

    /// Why a text is no valid URL.
    public struct Invalid: Error, Equatable, CustomStringConvertible {
        /// The reason, for people. Does not quote the text, which may hold a secret.
        public let description: String
    }

    public let scheme: Scheme
    /// The host for lookups: a name or an IPv4 address in lower case, an IPv6 address without brackets, or the decoded
    /// path of the socket for `http+unix`.
    public let host: String
    /// The explicit port, 1 to 65535.
    public let port: Int?
    /// The encoded path, `/` by default.
    public let path: String
    /// The part behind `?`; nil without one.
    public let query: String?

    /// The port to connect to.
    public var effectivePort: Int { port ?? (scheme == .https ? 443 : 80) }

    /// The value of `Host` (RFC 9112, 3.2): the host, in brackets for an IPv6 address, and the port unless it is the
    /// scheme's default.
    public var authority: String {
        guard scheme != .unix else { return "localhost" }
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return effectivePort == (scheme == .https ? 443 : 80) ? name : "\(name):\(effectivePort)"
    }

    /// The target of the request line: path and query.
    public var target: String { query.map { "\(path)?\($0)" } ?? path }

    /// The URL as text that parses to the same URL.
    public var description: String {
        guard scheme != .unix else { return "\(scheme.rawValue)://\(Self.encodedPath(host))\(target)" }
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return "\(scheme.rawValue)://\(name)\(port.map { ":\($0)" } ?? "")\(target)"
    }

    /// Parses a URL.
    ///
    /// - Throws: what is wrong with it.
    public init(_ text: some StringProtocol) throws(Invalid) {
        let bytes = Array(text.utf8)
        guard bytes.count <= 8192 else { throw Invalid(description: "it is longer than 8192 bytes") }
        guard let (scheme, start) = Self.scheme(bytes) else {
            throw Invalid(description: "it does not begin with http:// or https://")
        }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw Invalid(
                description: "it holds white space, a control character or one beyond ASCII that is not encoded")
        }
        guard !bytes.contains(UInt8(ascii: "#")) else { throw Invalid(description: "it has a fragment") }
        let rest = bytes[start...]
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        let (host, port) =
            scheme == .unix ? (try Self.socketPath(rest[..<end]), nil) : try Self.hostAndPort(rest[..<end])
        let target = rest[end...]
        let mark = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        self.scheme = scheme
        self.host = host
        self.port = port
        path = mark == target.startIndex ? "/" : String(decoding: target[..<mark], as: UTF8.self)
        query = mark == target.endIndex ? nil : String(decoding: target[(mark + 1)...], as: UTF8.self)
    }

    private init(_ other: WebURL, path: String, query: String?) {
        (scheme, host, port) = (other.scheme, other.host, other.port)
        (self.path, self.query) = (path, query)
    }

    /// Makes the URL of a Unix domain socket from its path.
    public static func unix(socket: String, path: String = "/") throws(Invalid) -> WebURL {
        try WebURL("\(Scheme.unix.rawValue)://\(encodedPath(socket))\(path)")
    }

    /// Returns the URL of another target on the same server.
    ///
    /// - Parameter target: the encoded path and query, beginning with `/`.
    /// - Throws: if the target is not valid in a request line.
    public func at(_ target: String) throws(Invalid) -> WebURL {
        guard target.utf8.first == UInt8(ascii: "/"),
            target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") })
        else { throw Invalid(description: "its path does not begin with '/', or holds what has to be encoded") }
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        return WebURL(
            self, path: String(target[..<(mark ?? target.endIndex)]),
            query: mark.map { String(target[target.utf8.index(after: $0)...]) })
    }

    private static func scheme(_ bytes: [UInt8]) -> (Scheme, Int)? {
        for scheme in [Scheme.https, .http, .unix] {
            let prefix = Array("\(scheme.rawValue)://".utf8)
            guard bytes.count > prefix.count else { continue }
            if zip(bytes, prefix).allSatisfy({ lowered($0) == $1 }) { return (scheme, prefix.count) }
        }
        return nil
    }

    private static func hostAndPort(_ authority: ArraySlice<UInt8>) throws(Invalid) -> (String, Int?) {
        guard !authority.contains(UInt8(ascii: "@")) else {
            throw Invalid(description: "it holds a user or a password, which do not belong into a URL")
        }
        var name = authority
        var port: Int?
        if authority.first == UInt8(ascii: "[") {
            guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else {
                throw Invalid(description: "the bracket of its IPv6 address is not closed")
            }
            name = authority[(authority.startIndex + 1)..<end]
            let behind = authority[(end + 1)...]
            if !behind.isEmpty {
                guard behind.first == UInt8(ascii: ":") else { throw Invalid(description: "its host is malformed") }
                port = try Self.port(behind.dropFirst())
            }
            guard isAddress(name) else {
                throw Invalid(description: "its IPv6 address is malformed")
            }
        } else {
            if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
                name = authority[..<colon]
                port = try Self.port(authority[(colon + 1)...])
            }
            guard !name.isEmpty, name.count <= 255, name.allSatisfy(isHostByte) else {
                throw Invalid(description: name.isEmpty ? "it has no host" : "its host is malformed")
            }
        }
        return (String(decoding: name.map(lowered), as: UTF8.self), port)
    }

    /// RFC 3986 allows an empty port; `http://host:/` is more likely a mistake.
    private static func port(_ digits: ArraySlice<UInt8>) throws(Invalid) -> Int {
        guard (1...5).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
            let port = Int(String(decoding: digits, as: UTF8.self)), (1...65535).contains(port)
        else { throw Invalid(description: "its port is not a number from 1 to 65535") }
        return port
    }

    private static func socketPath(_ encoded: ArraySlice<UInt8>) throws(Invalid) -> String {
        var path: [UInt8] = []
        var index = encoded.startIndex
        while index < encoded.endIndex {
            var byte = encoded[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < encoded.endIndex, let high = hex(encoded[index + 1]),
                    let low = hex(encoded[index + 2])
                else { throw Invalid(description: "its socket's path is not encoded as it has to be") }
                byte = high << 4 | low
                index += 2
            }
            path.append(byte)
            index += 1
        }
        // sockaddr_un holds 108 bytes including the final zero.
        guard !path.isEmpty, path.count < 108, !path.contains(0), let text = String(validating: path, as: UTF8.self)
        else { throw Invalid(description: "its socket's path is empty, longer than 107 bytes, or no UTF-8") }
        return text
    }

    private static func encodedPath(_ path: String) -> String {
        var text = ""
        for byte in path.utf8 {
            if isHostByte(byte), byte != UInt8(ascii: "%") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = Array("0123456789ABCDEF".unicodeScalars)
                text.unicodeScalars.append("%")
                text.unicodeScalars.append(digits[Int(byte >> 4)])
                text.unicodeScalars.append(digits[Int(byte & 15)])
            }
        }
        return text
    }

    /// Letters, digits, `-`, `.` and `_`, which names in private networks use; no escapes, and no zone of an address.
    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isAddress(_ bytes: ArraySlice<UInt8>) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET6, String(decoding: bytes, as: UTF8.self), &address) == 1
    }

    private static func lowered(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte | 0x20 : byte }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 48
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 55
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 87
        default: nil
        }
    }
}
