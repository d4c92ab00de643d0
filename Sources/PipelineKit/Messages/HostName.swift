import Wire

/// A host taken apart once, for many sets to look it up.
public final class HostName: Sendable {
    /// A domain in which a host lies.
    public struct Parent: Sendable {
        package let fingerprint: UInt64
        /// Where in the host's name it begins, in bytes.
        fileprivate let offset: Int
    }

    /// The longest name there is (RFC 1035, 2.3.4: 255 octets with their lengths). A longer one, which nobody can connect to, lies
    /// in no domain: to look for each of a hundred thousand would take seconds.
    private static let maximumLength = 253

    /// In lower case.
    public let name: String
    /// A number for the name, which other names may share: it spares look-ups.
    package let fingerprint: UInt64
    /// The domains it lies in, the nearest first.
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

    /// The fingerprint that a host of this name has.
    package static func fingerprint(of name: String) -> UInt64 { stableHash(name) }

    /// The host of a URL; nil where it has none.
    public convenience init?(url: String) {
        guard let host = URLHost.of(url) else { return nil }
        self.init(host)
    }

    /// A parent domain's name.
    public func text(of parent: Parent) -> String {
        String(decoding: name.utf8.dropFirst(parent.offset), as: UTF8.self)
    }
}
