import CHecateLinux
import Glibc
import Locking
import Wire

/// An address to connect to.
package struct PeerAddress: Sendable, Hashable {
    /// The bytes of a `sockaddr_in`, `sockaddr_in6` or `sockaddr_un`.
    let bytes: [UInt8]

    /// `AF_INET`, `AF_INET6`, `AF_UNIX`.
    package var family: Int32 { bytes.withUnsafeBytes { Int32($0.loadUnaligned(as: sa_family_t.self)) } }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// What the system says; nil where it is no address of the network.
    init?(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
        let family = Int32(address.pointee.sa_family)
        let size =
            family == AF_INET
            ? MemoryLayout<sockaddr_in>.size : family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : Int.max
        guard Int(length) >= size else { return nil }
        bytes = Array(UnsafeRawBufferPointer(start: address, count: size))
    }

    /// An address that is written as one: `127.0.0.1`, `::1`; nil where the text is none.
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
        self = PeerAddress(bytes: bytes).at(port)
    }

    /// A Unix domain socket; nil where its path is too long.
    init?(unixPath: String) {
        var address = sockaddr_un()
        let path = Array(unixPath.utf8)
        guard !path.isEmpty, path.count < MemoryLayout.size(ofValue: address.sun_path), !path.contains(0) else {
            return nil
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        bytes = withUnsafeBytes(of: address) { Array($0) }
    }

    /// The same address with another port.
    func at(_ port: Int) -> PeerAddress {
        guard family != AF_UNIX else { return self }
        var bytes = bytes
        // Behind the family, at the same place in both kinds, in the network's order.
        bytes[2] = UInt8(truncatingIfNeeded: port >> 8)
        bytes[3] = UInt8(truncatingIfNeeded: port)
        return PeerAddress(bytes: bytes)
    }

    /// Calls `body` with the address as the system wants it.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { address in
                // An array of bytes is aligned to 16 and never empty.
                guard let start = address.baseAddress else { preconditionFailure("an address has bytes") }
                return body(start, socklen_t(bytes.count))
            }
        }
    }

    /// The order in which addresses are tried: as they come, the families in turn (RFC 8305, 4).
    static func inTurn(_ addresses: [PeerAddress]) -> [PeerAddress] {
        guard let first = addresses.first?.family else { return [] }
        let same = addresses.filter { $0.family == first }
        let others = addresses.filter { $0.family != first }
        var order: [PeerAddress] = []
        for index in 0..<max(same.count, others.count) {
            if index < same.count { order.append(same[index]) }
            if index < others.count { order.append(others[index]) }
        }
        return order
    }
}

/// Looks up the addresses of names, beside the loops: the system's way of doing that blocks. At most four are looked up at once; who
/// asks for one that is being looked up shares it. Nothing is remembered. May be used from any thread.
package final class NameLookup: Sendable {
    /// Why a name has no address.
    package struct Failure: Error, Equatable {
        /// The system's words.
        package let reason: String

        package init(reason: String) { self.reason = reason }
    }

    package typealias Outcome = Result<[PeerAddress], Failure>

    /// The process's own, which asks the system.
    package static let shared = NameLookup(workers: BlockingWork.shared, resolve: ask)

    private static let mostAddresses = 32

    private let workers: BlockingWork
    private let resolve: @Sendable (String) -> Outcome
    private let waiting = Mutex<[String: [@Sendable (Outcome) -> Void]]>([:])

    /// - Parameter resolve: what finds the addresses of a name, whatever their port; may block.
    package init(workers: BlockingWork = .shared, resolve: @escaping @Sendable (String) -> Outcome) {
        self.workers = workers
        self.resolve = resolve
    }

    /// Looks up a name; `done` is called on a thread of its own, and must not block.
    package func find(_ host: String, done: @escaping @Sendable (Outcome) -> Void) {
        let isFirst = waiting.withLock { waiting in
            waiting[host, default: []].append(done)
            return waiting[host]?.count == 1
        }
        guard isFirst else { return }
        workers.submit { [self] in
            let outcome = resolve(host).map { PeerAddress.inTurn(Array($0.prefix(Self.mostAddresses))) }
            let all = waiting.withLock { $0.removeValue(forKey: host) ?? [] }
            for each in all { each(outcome) }
        }
    }

    /// Asks the system (RFC 6724 decides on the order).
    private static let ask: @Sendable (String) -> Outcome = { host in
        // The system takes `2130706433`, `0x7f.1` and `127.1` for addresses. Nobody means that who writes such a host.
        guard !endsInNumber(host) else { return .failure(Failure(reason: "it is neither a name nor an address")) }
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &found)
        let code = errno
        guard status == 0 else {
            let words = String(cString: gai_strerror(status))
            return .failure(Failure(reason: status == EAI_SYSTEM ? String(cString: strerror(code)) : words))
        }
        defer { freeaddrinfo(found) }
        var addresses: [PeerAddress] = []
        var next = found
        while let each = next, addresses.count < mostAddresses {
            if let address = each.pointee.ai_addr.flatMap({ PeerAddress($0, each.pointee.ai_addrlen) }),
                !addresses.contains(address)
            {
                addresses.append(address)
            }
            next = each.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(Failure(reason: "none that can be connected to")) : .success(addresses)
    }

    /// Whether the last part of a host is a number, decimal or hexadecimal.
    private static func endsInNumber(_ host: String) -> Bool {
        guard let last = host.utf8.split(separator: UInt8(ascii: ".")).last else { return false }
        let isHexadecimal = last.starts(with: "0x".utf8) || last.starts(with: "0X".utf8)
        return last.dropFirst(isHexadecimal ? 2 : 0).allSatisfy {
            (48...57).contains($0) || (isHexadecimal && (97...102).contains($0 | 0x20))
        }
    }
}
