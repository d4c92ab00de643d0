import Locking
import Wire

/// What is made for a host: a connection, or something that makes one. Belongs to a loop.
protocol PoolMember: AnyObject, Sendable {
    /// Its loop.
    var loop: EventLoop { get }
    /// Ends; what it carries fails as `HTTPClientError.shutDown`. On its loop.
    func shutDown()
}

/// What the pools of a client have in common.
struct ClientSettings: Sendable {
    let configuration: HTTPClient.Configuration
    let tls: ClientTLSContext
    let lookup: NameLookup
    let loops: EventLoops
}

/// The connections to one host: so many at most, those that rest, and the exchanges that wait for one. May be used from any thread.
///
/// `@unchecked Sendable`: the state is behind a lock, `queueDeadline` is touched on `queueLoop` only, the rest never changes.
final class HostPool: @unchecked Sendable {
    /// What exchanges share connections by.
    struct Key: Hashable, Sendable {
        let scheme: WebURL.Scheme
        let host: String
        let port: Int

        init(_ url: WebURL) { (scheme, host, port) = (url.scheme, url.host, url.effectivePort) }
    }

    /// What a connection does that has become free.
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
        /// Connections that rest; the one that was used last is used next, so that others are not needed any more.
        var idle: [ClientConnection] = []
        var members: [ObjectIdentifier: any PoolMember] = [:]
        var queue: Deque<Exchange> = []
        /// When the line is looked through for exchanges whose time is up.
        var nextCheck = UInt64.max
        var isShutDown = false
        /// Whether the client has forgotten it, since nobody used it.
        var isRetired = false
        var shutdownWaiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeIdle(on loop: EventLoop?) -> ClientConnection? {
            guard let loop, let index = idle.lastIndex(where: { $0.loop === loop }) else { return idle.popLast() }
            return idle.remove(at: index)
        }

        /// The next in line whose time is not up.
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
    /// Where the line is looked through.
    private let queueLoop: EventLoop
    private let state = Mutex(State())
    private var queueDeadline: Deadline?

    init(_ key: Key, _ settings: ClientSettings) {
        self.key = key
        self.settings = settings
        queueLoop = settings.loops.next()
    }

    /// Gives an exchange to a connection that rests, makes one, or has it wait.
    ///
    /// - Returns: false where the client has forgotten this pool.
    func start(_ exchange: Exchange) -> Bool {
        // Before it is in line: who cancels then finds it there, or it is passed over.
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

    /// A connection has become free.
    func release(_ connection: ClientConnection) -> Next {
        state.withLock { state in
            guard !state.isShutDown else { return .close }
            if let next = state.nextInQueue() { return .exchange(next) }
            state.idle.append(connection)
            return .idle
        }
    }

    /// A connection was closed while it rested.
    ///
    /// - Returns: false where an exchange is on its way to it already: its place is kept for that, see `restart`.
    func removeIdle(_ connection: ClientConnection) -> Bool {
        let isFree = state.withLock { state in
            guard let index = state.idle.firstIndex(where: { $0 === connection }) else { return false }
            state.idle.remove(at: index)
            return true
        }
        if isFree { remove(connection) }
        return isFree
    }

    /// A member has ended, which makes room for another.
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

    /// A connection takes the place of what has made it.
    ///
    /// - Returns: false where the pool was shut down meanwhile.
    func replace(_ dialer: Dialer, by connection: ClientConnection) -> Bool {
        state.withLock { state in
            guard !state.isShutDown else { return false }
            state.members[ObjectIdentifier(dialer)] = nil
            state.members[ObjectIdentifier(connection)] = connection
            return true
        }
    }

    /// Sends an exchange on a connection that is made for it, in the place of one that was closed under it. On that one's loop.
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

    /// An exchange in line was cancelled.
    func removeFromQueue(_ exchange: Exchange) { state.withLock { $0.queue.removeAll { $0 === exchange } } }

    /// Tells those in line whose time is up.
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

    /// Whether nobody uses it; then it takes no exchange any more.
    func retireIfUnused() -> Bool {
        state.withLock { state in
            state.isRetired = state.members.isEmpty && state.queue.isEmpty
            return state.isRetired
        }
    }

    /// Closes all connections; returns when they are closed. What is under way fails.
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
