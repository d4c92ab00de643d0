import CHecateLinux
import Glibc

/// The address of a socket.
package struct SocketAddress: Sendable, Hashable {
    struct LookUpError: Error, CustomStringConvertible {
        let description: String
    }

    /// The bytes of a `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`.
    private let bytes: [UInt8]

    /// `AF_INET`, `AF_INET6` or `AF_UNIX`.
    package var family: Int32 { bytes.withUnsafeBytes { Int32($0.loadUnaligned(as: sa_family_t.self)) } }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Copies a system address; nil if it is no network address.
    private init?(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
        let size: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: size = MemoryLayout<sockaddr_in>.size
        case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        guard Int(length) >= size else { return nil }
        bytes = Array(UnsafeRawBufferPointer(start: address, count: size))
    }

    /// Parses a numeric address such as `127.0.0.1` or `::1`; nil if it is none.
    package init?(numeric text: String, port: Int = 0) {
        var four = sockaddr_in()
        var six = sockaddr_in6()
        let bytes: [UInt8]
        if inet_pton(AF_INET, text, &four.sin_addr) == 1 {
            four.sin_family = sa_family_t(AF_INET)
            bytes = withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &six.sin6_addr) == 1 {
            six.sin6_family = sa_family_t(AF_INET6)
            bytes = withUnsafeBytes(of: six) { Array($0) }
        } else {
            return nil
        }
        self = SocketAddress(bytes: bytes).at(port)
    }

    /// Makes the address of a Unix domain socket; nil if the path is empty, too long or contains NUL.
    init?(unixPath: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(unixPath.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.count < capacity, !path.contains(0) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        bytes = withUnsafeBytes(of: address) { Array($0) }
    }

    /// Returns the address with another port; unchanged for a Unix domain socket.
    func at(_ port: Int) -> SocketAddress {
        guard family != AF_UNIX else { return self }
        var bytes = bytes
        // The port follows the family in both kinds, in network byte order.
        bytes[2] = UInt8(truncatingIfNeeded: port >> 8)
        bytes[3] = UInt8(truncatingIfNeeded: port)
        return SocketAddress(bytes: bytes)
    }

    /// Returns the addresses of a host name or number in the system's order (RFC 6724). Blocks.
    ///
    /// - Parameter port: nil to set it later; the addresses are then for connecting, not listening.
    /// - Throws: `LookUpError` if there is none.
    static func all(host: String, port: Int? = nil) throws(LookUpError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_flags = port == nil ? 0 : AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &found)
        let code = errno
        guard status == 0 else {
            let words = String(cString: gai_strerror(status))
            throw LookUpError(description: status == EAI_SYSTEM ? String(cString: strerror(code)) : words)
        }
        defer { freeaddrinfo(found) }
        var addresses: [SocketAddress] = []
        var next = found
        while let each = next {
            if let address = each.pointee.ai_addr.flatMap({ SocketAddress($0, each.pointee.ai_addrlen) })?.at(
                port ?? 0),
                !addresses.contains(address)
            {
                addresses.append(address)
            }
            next = each.pointee.ai_next
        }
        return addresses
    }

    /// Calls `body` with the address as a `sockaddr`.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { address in
                guard let start = address.baseAddress else { preconditionFailure("an address has bytes") }
                return body(start, socklen_t(bytes.count))
            }
        }
    }

    /// Returns the bound address of a socket; nil if it is no network address.
    static func own(ofSocket descriptor: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length) == 0 ? SocketAddress($0, length) : nil
            }
        }
    }

    /// Returns the bound port of a socket; nil if it has none.
    static func port(ofSocket descriptor: Int32) -> Int? {
        own(ofSocket: descriptor).map { Int($0.bytes[2]) << 8 | Int($0.bytes[3]) }
    }

    /// Returns the numeric host; nil for a Unix domain socket.
    static func host(_ storage: sockaddr_storage) -> String? {
        withUnsafeBytes(of: storage) { bytes -> String? in
            guard let base = bytes.baseAddress else { return nil }
            // 46 is INET6_ADDRSTRLEN.
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { text -> String? in
                let family = Int32(storage.ss_family)
                let bytes: UnsafeRawPointer
                switch family {
                case AF_INET: bytes = base + 4
                case AF_INET6: bytes = base + 8
                default: return nil
                }
                guard let start = text.baseAddress, inet_ntop(family, bytes, start, 46) != nil else { return nil }
                return String(cString: start)
            }
        }
    }
}
