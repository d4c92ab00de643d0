import CHecateLinux
import Glibc
import Locking
import Telemetry

/// Accepts the connections of a listener and distributes them over the event loops.
///
/// One event loop accepts for all: with SO_REUSEPORT each could, but then a port in use could be bound twice.
///
/// `@unchecked Sendable`: `phase`, `lastSet`, `isWarned` and the descriptor are used on the event loop only; the rest
/// is locked, atomic or constant.
final class Acceptor: EventLoop.Descriptor, @unchecked Sendable {
    private enum Phase {
        case accepting
        /// The maximum number of connections is open; further ones wait in the system's queue.
        case full
        /// No descriptors are left. Retrying at once would spin.
        case paused
        case ended
    }

    private struct Ending {
        var remainingSets: Int
        var waiting: CheckedContinuation<Void, Never>?
    }

    private static let pauseDuration = Duration.milliseconds(100)
    private static let acceptsPerEvent = 64

    private let loop: EventLoop
    private let descriptor: Int32
    private let settings: ListenerSettings
    private let address: ListenAddress
    private var sets: [ConnectionSet] = []
    private let count = Atomic<Int>(0)
    private let isFull = Atomic<Bool>(false)
    private let ending: Mutex<Ending>

    private var phase = Phase.accepting
    private var lastSet = 0
    private var isWarned = false
    private var lastAccepted: Int32 = 0
    private lazy var deadline = loop.makeDeadline { [unowned self] in resume(from: .paused) }

    /// Takes over a listening socket.
    init(_ socket: ListeningSocket, _ address: ListenAddress, _ settings: ListenerSettings, _ loops: EventLoops) {
        loop = loops.next()
        descriptor = socket.descriptor
        (self.address, self.settings) = (address, settings)
        ending = Mutex(Ending(remainingSets: loops.all.count))
        sets = loops.all.map { ConnectionSet($0, settings, self) }
    }

    // MARK: - From any thread

    /// The number of open connections.
    var connections: Int { count.load(ordering: .relaxed) }

    /// Starts accepting.
    func start() {
        loop.submit { [self] in
            guard phase == .accepting else { return }
            watch()
        }
    }

    /// Stops accepting, and drains the connections.
    func stop() { loop.submit { [self] in end() } }

    /// Returns when the last connection is closed after `stop`.
    func waitUntilEnded() async {
        await withCheckedContinuation { continuation in
            let hasEnded = ending.withLock { ending in
                if ending.remainingSets > 0 { ending.waiting = continuation }
                return ending.remainingSets == 0
            }
            if hasEnded { continuation.resume() }
        }
    }

    /// Records that a connection was closed, and resumes accepting if full.
    func connectionEnded() {
        count.subtract(1, ordering: .sequentiallyConsistent)
        guard isFull.load(ordering: .sequentiallyConsistent),
            isFull.exchange(false, ordering: .sequentiallyConsistent)
        else { return }
        loop.submit { [self] in resume(from: .full) }
    }

    /// Records that a set has closed its last connection after `stop`.
    func setEnded() {
        let waiting = ending.withLock { ending in
            ending.remainingSets -= 1
            return ending.remainingSets == 0 ? ending.waiting.take() : nil
        }
        waiting?.resume()
    }

    // MARK: - On the loop

    func ready(_ events: UInt32) {
        for _ in 0..<Self.acceptsPerEvent where phase == .accepting {
            guard acceptOne() else { return }
        }
    }

    /// Whether so few descriptors are left that they are for others: for sinks, files, health checks, and for Dispatch, which ends the
    /// process if it cannot read the state of its threads from /proc.
    private var isShortOfDescriptors: Bool {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let most = Int(clamping: limit.rlim_cur)
        guard lastAccepted >= most / 4 else { return false }
        // The system gives out the lowest number that is free.
        let free = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard free >= 0 else { return true }
        close(free)
        return Int(free) >= most - min(settings.reservedDescriptors, most / 4)
    }

    /// Accepts a connection. Returns false if there is none now.
    private func acceptOne() -> Bool {
        guard count.load(ordering: .sequentiallyConsistent) < settings.connections else {
            pauseUntilNotFull()
            return false
        }
        guard !isShortOfDescriptors else {
            pause("too many open files")
            return false
        }
        var from = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let accepted = withUnsafeMutablePointer(to: &from) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                accept4(descriptor, $0, &length, Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
            }
        }
        guard accepted >= 0 else { return failedToAccept() }
        lastAccepted = accepted
        assign(accepted, from)
        return true
    }

    private func assign(_ accepted: Int32, _ from: sockaddr_storage) {
        count.add(1, ordering: .sequentiallyConsistent)
        if from.ss_family != sa_family_t(AF_UNIX) {
            var enabled: Int32 = 1
            setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &enabled, socklen_t(MemoryLayout<Int32>.size))
        }
        let remoteAddress = SocketAddress.host(from)
        lastSet = (lastSet + 1) % sets.count
        let set = sets[lastSet]
        if set.loop === loop { return set.add(accepted, from: remoteAddress) }
        set.loop.submit { set.add(accepted, from: remoteAddress) }
    }

    /// Returns whether to accept again at once.
    private func failedToAccept() -> Bool {
        switch errno {
        case EAGAIN: return false
        // accept(2) also reports errors of the new connection here.
        case EINTR, ECONNABORTED, EPROTO, EPERM, ETIMEDOUT, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET,
            ENOPROTOOPT, EOPNOTSUPP:
            return true
        default:
            pause(String(cString: strerror(errno)))
            return false
        }
    }

    /// Stops accepting for a moment.
    private func pause(_ reason: String) {
        guard phase == .accepting else { return }
        if !isWarned {
            isWarned = true
            settings.logger.warning(
                "no connection can be accepted now; the next wait until others are closed",
                metadata: ["address": "\(address)", "reason": "\(reason)"])
        }
        phase = .paused
        loop.unwatch(descriptor)
        deadline.set(in: Self.pauseDuration)
    }

    private func pauseUntilNotFull() {
        phase = .full
        loop.unwatch(descriptor)
        isFull.store(true, ordering: .sequentiallyConsistent)
        // A connection may have been closed just before it could see that accepting is paused.
        if count.load(ordering: .sequentiallyConsistent) < settings.connections,
            isFull.exchange(false, ordering: .sequentiallyConsistent)
        {
            resume(from: .full)
        }
    }

    private func resume(from left: Phase) {
        guard phase == left else { return }
        phase = .accepting
        watch()
    }

    private func watch() {
        guard !loop.watch(descriptor, EPOLLIN.rawValue, self) else { return }
        phase = .paused
        deadline.set(in: Self.pauseDuration)
    }

    private func end() {
        guard phase != .ended else { return }
        // Serve clients that connected before; the system would reset them.
        phase = .ended
        for _ in 0..<settings.connections {
            guard acceptOne() else { break }
        }
        phase = .ended
        loop.unwatch(descriptor)
        close(descriptor)
        deadline.cancel()
        for set in sets { set.loop.submit { set.drain() } }
    }
}
