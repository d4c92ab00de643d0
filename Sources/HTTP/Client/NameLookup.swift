import Locking

/// Looks up the addresses of names, beside the loops: the system's way of doing that blocks. A few are looked up at once; who
/// asks for one that is being looked up shares it. Nothing is remembered. May be used from any thread.
package final class NameLookup: Sendable {
    /// Why a name has no address.
    package struct Failure: Error, Equatable {
        /// The system's words.
        package let reason: String

        package init(reason: String) { self.reason = reason }
    }

    package typealias Outcome = Result<[SocketAddress], Failure>

    /// The process's own, which asks the system.
    package static let shared = NameLookup(workers: BlockingThreadPool.shared, resolve: ask)

    private static let maximumAddresses = 32

    private let workers: BlockingThreadPool
    private let resolve: @Sendable (String) -> Outcome
    private let waiting = Mutex<[String: [@Sendable (Outcome) -> Void]]>([:])

    /// - Parameter resolve: what finds the addresses of a name, whatever their port; may block.
    package init(workers: BlockingThreadPool = .shared, resolve: @escaping @Sendable (String) -> Outcome) {
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
            let outcome = resolve(host).map { Self.interleaved(Array($0.prefix(Self.maximumAddresses))) }
            let all = waiting.withLock { $0.removeValue(forKey: host) ?? [] }
            for each in all { each(outcome) }
        }
    }

    /// Asks the system (RFC 6724 decides on the order).
    private static let ask: @Sendable (String) -> Outcome = { host in
        // The system takes `2130706433`, `0x7f.1` and `127.1` for addresses. Nobody means that who writes such a host.
        guard !endsInNumber(host) else { return .failure(Failure(reason: "it is neither a name nor an address")) }
        do throws(SocketAddress.LookUpError) {
            return .success(try SocketAddress.all(host: host))
        } catch {
            return .failure(Failure(reason: error.description))
        }
    }

    /// The order in which addresses are tried: as they come, the families in turn (RFC 8305, 4).
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let first = addresses.first?.family else { return [] }
        let same = addresses.filter { $0.family == first }
        let others = addresses.filter { $0.family != first }
        var order: [SocketAddress] = []
        for index in 0..<max(same.count, others.count) {
            if index < same.count { order.append(same[index]) }
            if index < others.count { order.append(others[index]) }
        }
        return order
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
