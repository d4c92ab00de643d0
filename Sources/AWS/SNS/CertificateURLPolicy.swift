/// The URLs from which signing certificates may be fetched. The URL comes from the sender of a message, so anything but
/// Amazon's own hosts and the prefixes that the operator trusts is an attack: a forged signature, or a request from
/// within the operator's network.
public struct CertificateURLPolicy: Sendable {
    private let trustedPrefixes: [[UInt8]]

    /// Makes a policy that allows Amazon's hosts and these prefixes.
    ///
    /// - Throws: `PolicyError` if a prefix is no `http` or `https` URL with a `/` behind its host: without it
    ///   `http://sns.local` would also allow `http://sns.local.evil.example`.
    public init(trustedPrefixes: [String] = []) throws {
        self.trustedPrefixes = try trustedPrefixes.map { prefix in
            let bytes = Array(prefix.utf8)
            let rest = Self.rest(bytes[...], after: "https://") ?? Self.rest(bytes[...], after: "http://")
            guard let rest, let slash = rest.firstIndex(of: UInt8(ascii: "/")), slash > rest.startIndex,
                !rest.contains(UInt8(ascii: "@")), !Self.leadsUp(rest)
            else {
                throw PolicyError(
                    description:
                        "'\(prefix)' is no URL prefix such as http://localhost:4100/ (with the slash after the host)"
                )
            }
            return bytes
        }
    }

    /// Returns whether a certificate may be fetched from a URL.
    public func allows(_ url: String) -> Bool {
        guard url.utf8.count <= 1024 else { return false }
        let url = Array(url.utf8)
        if trustedPrefixes.contains(where: { url.starts(with: $0) && Self.isCertificatePath(url[$0.count...]) }) {
            return true
        }
        // https://sns.REGION.amazonaws.com/....pem, https://sns.REGION.amazonaws.com.cn/....pem
        guard let afterScheme = Self.rest(url[...], after: "https://sns.") else { return false }
        let region = afterScheme.prefix { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
        guard !region.isEmpty else { return false }
        let afterRegion = afterScheme[region.endIndex...]
        let path =
            Self.rest(afterRegion, after: ".amazonaws.com/") ?? Self.rest(afterRegion, after: ".amazonaws.com.cn/")
        return path.map(Self.isCertificatePath) ?? false
    }

    /// Returns what follows a prefix; nil if the bytes do not begin with it.
    private static func rest(_ bytes: ArraySlice<UInt8>, after prefix: String) -> ArraySlice<UInt8>? {
        bytes.starts(with: prefix.utf8) ? bytes.dropFirst(prefix.utf8.count) : nil
    }

    /// Returns whether the bytes contain `..`.
    private static func leadsUp(_ bytes: ArraySlice<UInt8>) -> Bool {
        zip(bytes, bytes.dropFirst()).contains { $0 == UInt8(ascii: ".") && $1 == UInt8(ascii: ".") }
    }

    /// Returns whether a path has only plain characters and ends in `.pem`: no query, fragment, escapes or `..`.
    private static func isCertificatePath(_ path: ArraySlice<UInt8>) -> Bool {
        path.suffix(4).elementsEqual(".pem".utf8) && !leadsUp(path) && path.first != UInt8(ascii: "/")
            && path.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
                    UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }

    /// Why a prefix is not allowed.
    public struct PolicyError: Error, CustomStringConvertible {
        public let description: String
    }
}
