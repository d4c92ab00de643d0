import Locking

/// Looks names up off the event loops, because the system's resolver blocks. Runs a few lookups concurrently; callers
/// for the same name share one. Does not cache. Thread-safe.
package final class NameLookup: Sendable {
    package struct Failure: Error, Equatable {
        /// The system's message.
        package let reason: String

        package init(reason: String) { self.reason = reason }
    }

    package typealias Outcome = Result<[SocketAddress], Failure>

    /// The process's lookup, which uses the system's resolver.
    package static let shared = NameLookup(workers: BlockingThreadPool.shared, resolve: ask)

    private static let maximumAddresses = 32

    private let workers: BlockingThreadPool
    private let resolve: @Sendable (String) -> Outcome
    private let waiting = Mutex<[String: [@Sendable (Outcome) -> Void]]>([:])

    /// - Parameter resolve: finds the addresses of a name, with any port; may block.
    package init(workers: BlockingThreadPool = .shared, resolve: @escaping @Sendable (String) -> Outcome) {
        self.workers = workers
        self.resolve = resolve
    }

    /// Looks a name up. `done` is called on a pool thread and must not block.
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

    /// Calls the system's resolver, which sorts by RFC 6724.
    private static let ask: @Sendable (String) -> Outcome = { host in
        // The system parses `2130706433`, `0x7f.1` and `127.1` as addresses, which nobody intends.
        guard !endsInNumber(host) else { return .failure(Failure(reason: "it is neither a name nor an address")) }
        do throws(SocketAddress.LookUpError) {
            return .success(try SocketAddress.all(host: host))
        } catch {
            return .failure(Failure(reason: error.description))
        }
    }

    /// Interleaves the address families (RFC 8305, 4).
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

    /// Returns whether the last label of a host is a decimal or hexadecimal number.
    private static func endsInNumber(_ host: String) -> Bool {
        guard let last = host.utf8.split(separator: UInt8(ascii: ".")).last else { return false }
        let isHexadecimal = last.starts(with: "0x".utf8) || last.starts(with: "0X".utf8)
        return last.dropFirst(isHexadecimal ? 2 : 0).allSatisfy {
            (48...57).contains($0) || (isHexadecimal && (97...102).contains($0 | 0x20))
        }
    }
}
