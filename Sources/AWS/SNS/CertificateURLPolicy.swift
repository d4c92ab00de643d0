/// Which URLs a signing certificate may be fetched from. The URL comes from the sender of a message, so everything but
/// Amazon's own hosts, and prefixes that the operator trusts, is an attack: a forged signature, or a request from inside
/// the operator's network.
public struct CertificateURLPolicy: Sendable {
    private let trustedPrefixes: [String]

    /// Amazon's hosts, and these prefixes.
    ///
    /// - Throws: `PolicyError` where a prefix is no `http` or `https` URL that ends its host with a `/`: without it
    ///   `http://sns.local` would also trust `http://sns.local.evil.example`.
    public init(trustedPrefixes: [String] = []) throws {
        for prefix in trustedPrefixes {
            let rest =
                prefix.hasPrefix("https://")
                ? prefix.dropFirst(8) : prefix.hasPrefix("http://") ? prefix.dropFirst(7) : ""
            guard let slash = rest.firstIndex(of: "/"), slash > rest.startIndex, !rest.contains("@"),
                !rest.contains("..")
            else {
                throw PolicyError(
                    description:
                        "'\(prefix)' is no prefix of URLs such as http://localhost:4100/ (with the slash after the host)"
                )
            }
        }
        self.trustedPrefixes = trustedPrefixes
    }

    /// Whether a certificate may be fetched from a URL.
    public func allows(_ url: String) -> Bool {
        guard url.utf8.count <= 1024 else { return false }
        if trustedPrefixes.contains(where: { url.hasPrefix($0) && Self.isCertificatePath(url.dropFirst($0.count)) }) {
            return true
        }
        // https://sns.REGION.amazonaws.com/....pem, https://sns.REGION.amazonaws.com.cn/....pem
        guard url.hasPrefix("https://sns.") else { return false }
        let rest = url.dropFirst("https://sns.".count)
        let region = rest.prefix { $0.isASCII && ($0.isLowercase || $0.isNumber) || $0 == "-" }
        let afterRegion = rest.dropFirst(region.count)
        guard !region.isEmpty else { return false }
        for suffix in [".amazonaws.com/", ".amazonaws.com.cn/"] where afterRegion.hasPrefix(suffix) {
            return Self.isCertificatePath(afterRegion.dropFirst(suffix.count))
        }
        return false
    }

    /// A path of plain characters that ends in `.pem`: no query, no fragment, no escapes, no way up.
    private static func isCertificatePath(_ path: Substring) -> Bool {
        path.hasSuffix(".pem") && !path.contains("..") && !path.hasPrefix("/")
            && path.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
                    UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }

    /// Why a prefix cannot be trusted.
    public struct PolicyError: Error, CustomStringConvertible {
        /// The reason, for people.
        public let description: String
    }
}
