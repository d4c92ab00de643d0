import Locking
import Wire

/// A connection of a pool, or a dialer that opens one. Belongs to an event loop.
protocol PoolMember: AnyObject, Sendable {
    var loop: EventLoop { get }
    /// Ends it; its exchange fails with `HTTPClientError.shutDown`. Call it on its event loop.
    func shutDown()
}

/// The settings that all pools of a client share.
struct ClientSettings: Sendable {
    let configuration: HTTPClient.Configuration
    let tls: ClientTLSContext
    let lookup: NameLookup
    let loops: EventLoops
}

/// The connections to one host, up to a maximum: the idle ones, and the exchanges that wait for one. Thread-safe.
///
/// `@unchecked Sendable`: the state is behind a lock, `queueDeadline` is used on `queueLoop` only, the rest is
/// constant.
final class HostPool: @unchecked Sendable {
    /// The key of a pool.
    struct Key: Hashable, Sendable {
        let scheme: WebURL.Scheme
        let host: String
        let port: Int

        init(_ url: WebURL) { (scheme, host, port) = (url.scheme, url.host, url.effectivePort) }
    }

    /// What a connection does next when it becomes free.
    enum Next {
        case exchange(Exchange)
        case idle
        case close
    }

    private enum Step {
        case send(ClientConnection)
        case dial(Dialer)
        case wait(checksQueue: Bool)
        case refuse
        case retired
    }

    private struct State {
        /// The idle connections. The last one used is reused first, so that others can expire.
        var idle: [ClientConnection] = []
        var members: [ObjectIdentifier: any PoolMember] = [:]
        var queue: Deque<Exchange> = []
        /// When the queue is checked for expired exchanges.
        var nextCheck = UInt64.max
        var isShutDown = false
        /// Whether the client has removed the pool because it was unused.
        var isRetired = false
        var shutdownWaiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeIdle(on loop: EventLoop?) -> ClientConnection? {
            guard let loop, let index = idle.lastIndex(where: { $0.loop === loop }) else { return idle.popLast() }
            return idle.remove(at: index)
        }

        /// Removes the next exchange that has not expired from the queue.
        mutating func nextInQueue() -> Exchange? {
            let now = queue.isEmpty ? 0 : MonotonicClock.now
            while let next = queue.popFirst() {
                if next.deadline <= now {
                    next.finishLater(.timedOutBeforeSending)
                } else if !next.isDone {
                    return next
                }
            }
            return nil
        }
    }

    let key: Key
    let settings: ClientSettings
    /// The event loop that checks the queue.
    private let queueLoop: EventLoop
    private let state = Mutex(State())
    private var queueDeadline: Deadline?

    init(_ key: Key, _ settings: ClientSettings) {
        self.key = key
        self.settings = settings
        queueLoop = settings.loops.next()
    }

    /// Starts an exchange on an idle connection, opens a connection for it, or queues it.
    ///
    /// - Returns: false if the client has removed this pool.
    func start(_ exchange: Exchange) -> Bool {
        // Before queueing, so that a cancellation finds it in the queue, or it is skipped.
        guard exchange.pass(to: .queued(self)) else { return true }
        let current = settings.loops.current
        switch nextStep(exchange, current) {
        case .send(let connection):
            if connection.loop === current {
                connection.begin(exchange)
            } else {
                connection.loop.submit { connection.begin(exchange) }
            }
        case .dial(let dialer): dialer.loop.submit { dialer.start() }
        case .wait(let checksQueue): if checksQueue { queueLoop.submit { self.checkQueue() } }
        case .refuse: exchange.finishLater(.shutDown)
        case .retired: return false
        }
        return true
    }

    private func nextStep(_ exchange: Exchange, _ current: EventLoop?) -> Step {
        state.withLock { state in
            guard !state.isRetired else { return .retired }
            guard !state.isShutDown else { return .refuse }
            if let connection = state.takeIdle(on: current) { return .send(connection) }
            if state.members.count < settings.configuration.connectionsPerHost {
                let dialer = Dialer(self, exchange, current ?? settings.loops.next())
                state.members[ObjectIdentifier(dialer)] = dialer
                return .dial(dialer)
            }
            state.queue.append(exchange)
            guard exchange.deadline < state.nextCheck else { return .wait(checksQueue: false) }
            state.nextCheck = exchange.deadline
            return .wait(checksQueue: true)
        }
    }

    /// Returns what a connection does that became free.
    func release(_ connection: ClientConnection) -> Next {
        state.withLock { state in
            guard !state.isShutDown else { return .close }
            if let next = state.nextInQueue() { return .exchange(next) }
            state.idle.append(connection)
            return .idle
        }
    }

    /// Removes an idle connection that was closed.
    ///
    /// - Returns: false if an exchange is on its way to it; its slot is kept for `restart`.
    func removeIdle(_ connection: ClientConnection) -> Bool {
        let isFree = state.withLock { state in
            guard let index = state.idle.firstIndex(where: { $0 === connection }) else { return false }
            state.idle.remove(at: index)
            return true
        }
        if isFree { remove(connection) }
        return isFree
    }

    /// Removes a member that has ended, which frees its slot.
    func remove(_ member: any PoolMember) {
        let (dialer, continuations) = state.withLock { state in
            guard state.members.removeValue(forKey: ObjectIdentifier(member)) != nil else {
                return (Dialer?.none, [CheckedContinuation<Void, Never>]())
            }
            guard !state.isShutDown else {
                guard state.members.isEmpty else { return (nil, []) }
                defer { state.shutdownWaiters = [] }
                return (nil, state.shutdownWaiters)
            }
            guard let next = state.nextInQueue() else { return (nil, []) }
            let dialer = Dialer(self, next, settings.loops.next())
            state.members[ObjectIdentifier(dialer)] = dialer
            return (dialer, [])
        }
        if let dialer { dialer.loop.submit { dialer.start() } }
        for continuation in continuations { continuation.resume() }
    }

    /// Replaces a dialer by its connection.
    ///
    /// - Returns: false if the pool was shut down.
    func replace(_ dialer: Dialer, by connection: ClientConnection) -> Bool {
        state.withLock { state in
            guard !state.isShutDown else { return false }
            state.members[ObjectIdentifier(dialer)] = nil
            state.members[ObjectIdentifier(connection)] = connection
            return true
        }
    }

    /// Opens another connection for an exchange whose connection was closed. Call it on that connection's event loop.
    func restart(_ exchange: Exchange, inPlaceOf connection: ClientConnection) {
        let dialer: Dialer? = state.withLock { state in
            guard !state.isShutDown else { return nil }
            let dialer = Dialer(self, exchange, connection.loop)
            state.members[ObjectIdentifier(connection)] = nil
            state.members[ObjectIdentifier(dialer)] = dialer
            return dialer
        }
        if let dialer { return dialer.loop.submit { dialer.start() } }
        remove(connection)
        exchange.finishLater(.shutDown)
    }

    /// Removes a cancelled exchange from the queue.
    func removeFromQueue(_ exchange: Exchange) { state.withLock { $0.queue.removeAll { $0 === exchange } } }

    /// Fails expired exchanges in the queue.
    private func checkQueue() {
        queueLoop.assertCurrent()
        let now = MonotonicClock.now
        let (expired, next) = state.withLock { state in
            let expired = state.queue.filter { $0.deadline <= now }
            if !expired.isEmpty { state.queue.removeAll { $0.deadline <= now } }
            state.nextCheck = state.queue.lazy.map(\.deadline).min() ?? .max
            return (expired, state.nextCheck)
        }
        for exchange in expired { exchange.finish(.failure(.timedOutBeforeSending)) }
        guard next != .max else { return }
        let deadline = queueDeadline ?? queueLoop.makeDeadline { [weak self] in self?.checkQueue() }
        queueDeadline = deadline
        queueLoop.set(deadline, at: next)
    }

    /// Retires the pool if it is unused. A retired pool accepts no exchanges.
    func retireIfUnused() -> Bool {
        state.withLock { state in
            state.isRetired = state.members.isEmpty && state.queue.isEmpty
            return state.isRetired
        }
    }

    /// Closes all connections and returns when they are closed. Exchanges in progress fail.
    func shutDown() async {
        let (queue, members) = state.withLock { state in
            state.isShutDown = true
            defer { state.queue = [] }
            return (state.queue, Array(state.members.values))
        }
        for exchange in queue { exchange.finishLater(.shutDown) }
        for member in members { member.loop.submit { member.shutDown() } }
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.members.isEmpty { state.shutdownWaiters.append(continuation) }
                return state.members.isEmpty
            }
            if hasEnded { continuation.resume() }
        }
    }
}
