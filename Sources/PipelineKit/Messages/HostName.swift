import Wire

/// A host name, split into its parent domains once for many lookups.
public final class HostName: Sendable {
    /// A domain that contains the host.
    public struct Parent: Sendable {
        package let fingerprint: UInt64
        /// The offset of the domain in the host's name, in bytes.
        fileprivate let offset: Int
    }

    /// The maximum length of a name (RFC 1035, 2.3.4: 255 octets with their lengths). A longer name, which nobody can
    /// connect to, has no parents: looking up a hundred thousand of them would take seconds.
    private static let maximumLength = 253

    /// The name in lower case.
    public let name: String
    /// A hash of the name, for fast lookups. Other names may have the same.
    package let fingerprint: UInt64
    /// The parent domains, nearest first.
    public let parents: [Parent]

    /// - Parameter name: in lower case.
    public init(_ name: String) {
        var name = name
        (fingerprint, parents) = name.withUTF8 { bytes in
            let dots = bytes.count <= Self.maximumLength ? bytes.indices.filter { bytes[$0] == UInt8(ascii: ".") } : []
            let parents = dots.map { dot in
                Parent(fingerprint: stableHash(UnsafeBufferPointer(rebasing: bytes[(dot + 1)...])), offset: dot + 1)
            }
            return (stableHash(bytes), parents)
        }
        self.name = name
    }

    /// Returns the fingerprint of a host name.
    package static func fingerprint(of name: String) -> UInt64 { stableHash(name) }

    /// Takes the host of a URL. Returns nil if it has none.
    public convenience init?(url: String) {
        guard let host = URLHost.of(url) else { return nil }
        self.init(host)
    }

    /// Returns the name of a parent domain.
    public func text(of parent: Parent) -> String {
        String(decoding: name.utf8.dropFirst(parent.offset), as: UTF8.self)
    }
}
