import Glibc

/// Where a socket is bound or connected to.
struct SocketAddress: Sendable {
    /// Why a name has no address.
    struct LookUpError: Error, CustomStringConvertible {
        let description: String
    }

    private var storage: sockaddr_storage
    private let length: socklen_t

    /// `AF_INET`, `AF_INET6` or `AF_UNIX`.
    var family: Int32 { Int32(storage.ss_family) }

    private init(_ pointer: UnsafePointer<sockaddr>, _ length: socklen_t) {
        storage = sockaddr_storage()
        self.length = min(length, socklen_t(MemoryLayout<sockaddr_storage>.size))
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(self.length)))
        }
    }

    /// The path of a Unix domain socket; nil where it is too long, or holds a NUL.
    init?(unixPath: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(unixPath.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.count < room, !path.contains(0) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        self = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                SocketAddress($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// The addresses of a host, by name or number, in the order in which the system would try them; to listen on. Blocks.
    ///
    /// - Throws: `LookUpError` where there is none.
    static func all(host: String, port: Int) throws(LookUpError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, "\(port)", &hints, &found)
        guard status == 0 else { throw LookUpError(description: String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(found) }
        var addresses: [SocketAddress] = []
        var next = found
        while let each = next {
            if let address = each.pointee.ai_addr {
                addresses.append(SocketAddress(address, each.pointee.ai_addrlen))
            }
            next = each.pointee.ai_next
        }
        return addresses
    }

    /// Calls with the address as the system takes it.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// The number of a host; nil for a Unix domain socket.
    static func host(_ storage: sockaddr_storage) -> String? {
        withUnsafeBytes(of: storage) { bytes -> String? in
            guard let base = bytes.baseAddress else { return nil }
            // 46 is INET6_ADDRSTRLEN.
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { text -> String? in
                let family = Int32(storage.ss_family)
                let place: UnsafeRawPointer
                switch family {
                case AF_INET: place = base + 4
                case AF_INET6: place = base + 8
                default: return nil
                }
                guard let start = text.baseAddress, inet_ntop(family, place, start, 46) != nil else { return nil }
                return String(cString: start)
            }
        }
    }

    /// The port that a socket is bound to; nil where it has none.
    static func port(ofSocket descriptor: Int32) -> Int? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0 else { return nil }
        // At the same place in sockaddr_in and sockaddr_in6, in the order of the network.
        return withUnsafeBytes(of: storage) { Int($0[2]) << 8 | Int($0[3]) }
    }
}
