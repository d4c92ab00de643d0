/// A host taken apart once, for many sets to look it up.
public final class HostName: Sendable {
    /// A domain in which a host lies.
    public struct Parent: Sendable {
        package let fingerprint: UInt64
        /// Where in the host's name it begins, in bytes.
        fileprivate let offset: Int
    }

    /// In lower case.
    public let name: String
    /// A number for the name, which other names may share: it spares look-ups.
    package let fingerprint: UInt64
    /// The domains it lies in, the nearest last.
    public let parents: [Parent]

    /// - Parameter name: in lower case.
    public init(_ name: String) {
        var name = name
        var parents: [Parent] = []
        fingerprint = name.withUTF8 { bytes in
            var state = Fingerprint.start
            for index in bytes.indices.reversed() {
                if bytes[index] == UInt8(ascii: ".") {
                    parents.append(Parent(fingerprint: Fingerprint.finish(state), offset: index + 1))
                }
                Fingerprint.add(bytes[index], to: &state)
            }
            return Fingerprint.finish(state)
        }
        self.name = name
        self.parents = parents
    }

    /// The fingerprint that a host of this name has.
    package static func fingerprint(of name: String) -> UInt64 {
        var state = Fingerprint.start
        for byte in name.utf8.reversed() { Fingerprint.add(byte, to: &state) }
        return Fingerprint.finish(state)
    }

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

/// A number for a text, taken from its end to its beginning, so that those of a host's parent domains fall off on the way.
/// FNV-1a with the finalizer of MurmurHash3. It only spares look-ups: texts that share one are told apart by themselves.
private enum Fingerprint {
    static let start: UInt64 = 0xcbf2_9ce4_8422_2325

    static func add(_ byte: UInt8, to state: inout UInt64) { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

    static func finish(_ state: UInt64) -> UInt64 {
        let hash = (state ^ (state >> 33)) &* 0xff51_afd7_ed55_8ccd
        return hash ^ (hash >> 33)
    }
}
