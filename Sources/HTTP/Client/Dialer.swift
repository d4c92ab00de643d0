import CHecateLinux
import Glibc
import Locking
import Wire

/// Opens a connection for an exchange: looks the name up and tries its addresses, each a quarter of a second after the
/// last or when that fails; the first that connects wins (RFC 8305). Ends as a `ClientConnection` or with an error.
///
/// `@unchecked Sendable`: belongs to its event loop; mutable state is used only there, which is asserted.
final class Dialer: PoolMember, @unchecked Sendable {
    /// A connection attempt to one address.
    private final class Attempt: EventLoop.Descriptor {
        let descriptor: Int32
        let address: SocketAddress
        private unowned let dialer: Dialer

        init(_ descriptor: Int32, _ address: SocketAddress, _ dialer: Dialer) {
            (self.descriptor, self.address, self.dialer) = (descriptor, address, dialer)
        }

        func ready(_ events: UInt32) { dialer.hasAnswered(self) }
    }

    private static let pause = Duration.milliseconds(250)

    let loop: EventLoop
    private let pool: HostPool
    private let exchange: Exchange
    private var isDone = false
    /// The deadline for connecting.
    private var end: UInt64 = 0
    private var addresses: Deque<SocketAddress> = []
    private var attempts: [Attempt] = []
    private var lastFailure: Int32 = 0
    private var timeout: Deadline?
    private var nextAttempt: Deadline?

    init(_ pool: HostPool, _ exchange: Exchange, _ loop: EventLoop) {
        (self.pool, self.exchange, self.loop) = (pool, exchange, loop)
    }

    /// Starts. Call it on the event loop.
    func start() {
        loop.assertCurrent()
        guard !isDone else { return }
        guard exchange.pass(to: .dialer(self)) else { return finish() }
        let now = MonotonicClock.now
        let latest = MonotonicClock.moment(pool.settings.configuration.connectTimeout, after: now)
        end = min(exchange.deadline, latest)
        guard end > now else { return fail(.timedOutBeforeSending) }
        let timeout = loop.makeDeadline { [unowned self] in fail(.timedOutBeforeSending) }
        loop.set(timeout, at: end)
        self.timeout = timeout
        prepare()
    }

    /// Stops, because the exchange was cancelled.
    func abandon(_ exchange: Exchange) {
        loop.assertCurrent()
        if !isDone { finish() }
    }

    func shutDown() { fail(.shutDown) }

    // MARK: Before connecting

    private func prepare() {
        guard pool.key.scheme == .https, !pool.settings.tls.isReady else { return find() }
        let tls = pool.settings.tls
        BlockingThreadPool.shared.submit { [self] in
            let result = Result { () throws(ClientTLSError) in try tls.prepare() }
            loop.submit { [self] in
                guard !isDone else { return }
                switch result {
                case .success: find()
                case .failure(let error): fail(.tls(reason: error.description))
                }
            }
        }
    }

    private func find() {
        let host = pool.key.host
        if pool.key.scheme == .unix {
            guard let address = SocketAddress(unixPath: host) else {
                return fail(.cannotConnect(reason: String(cString: strerror(ENAMETOOLONG))))
            }
            return connect(to: [address])
        }
        if let address = SocketAddress(numeric: host, port: pool.key.port) { return connect(to: [address]) }
        let port = pool.key.port
        pool.settings.lookup.find(host) { [self] outcome in
            loop.submit { [self] in
                guard !isDone else { return }
                switch outcome {
                case .success(let found) where !found.isEmpty: connect(to: found.map { $0.at(port) })
                case .success: fail(.noAddress(host: host, reason: "the list is empty"))
                case .failure(let failure): fail(.noAddress(host: host, reason: failure.reason))
                }
            }
        }
    }

    // MARK: Connecting

    private func connect(to addresses: [SocketAddress]) {
        self.addresses = Deque(addresses)
        nextAttempt = loop.makeDeadline { [unowned self] in tryNext() }
        tryNext()
    }

    private func tryNext() {
        while let address = addresses.popFirst() {
            let descriptor = socket(
                address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else {
                lastFailure = errno
                continue
            }
            let attempt = Attempt(descriptor, address, self)
            if address.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 { return succeed(attempt) }
            guard errno == EINPROGRESS, loop.watch(descriptor, EPOLLOUT.rawValue, attempt) else {
                lastFailure = errno
                Glibc.close(descriptor)
                guard address.family == AF_UNIX, lastFailure == EAGAIN else { continue }
                // The socket's queue is full, which a Unix domain socket reports at once.
                addresses.append(address)
                nextAttempt?.set(in: .milliseconds(10))
                return
            }
            attempts.append(attempt)
            if !addresses.isEmpty { nextAttempt?.set(in: Self.pause) }
            return
        }
        guard attempts.isEmpty else { return }
        fail(.cannotConnect(reason: String(cString: strerror(lastFailure))))
    }

    private func hasAnswered(_ attempt: Attempt) {
        var failure: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        if getsockopt(attempt.descriptor, SOL_SOCKET, SO_ERROR, &failure, &length) != 0 { failure = errno }
        guard failure == 0 else { return drop(attempt, failure) }
        succeed(attempt)
    }

    private func drop(_ attempt: Attempt, _ failure: Int32) {
        lastFailure = failure
        attempts.removeAll { $0 === attempt }
        close(attempt)
        tryNext()
    }

    private func succeed(_ attempt: Attempt) {
        // A socket that connects to a free port of the loopback may get that port itself and talk to itself.
        if Self.isConnectedToItself(attempt) { return drop(attempt, ECONNREFUSED) }
        attempts.removeAll { $0 === attempt }
        loop.unwatch(attempt.descriptor)
        guard let transport = transport(attempt) else {
            Glibc.close(attempt.descriptor)
            return fail(.tls(reason: "no session can be made for this host"))
        }
        let connection = ClientConnection(transport, pool, loop)
        guard pool.replace(self, by: connection) else {
            transport.close()
            return fail(.shutDown)
        }
        end(removes: false)
        connection.open(for: exchange, until: end)
    }

    private func transport(_ attempt: Attempt) -> Transport? {
        if attempt.address.family != AF_UNIX {
            var enabled: Int32 = 1
            setsockopt(
                attempt.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &enabled, socklen_t(MemoryLayout<Int32>.size))
        }
        guard pool.key.scheme == .https else { return Transport(descriptor: attempt.descriptor) }
        return pool.settings.tls.session(with: pool.key.host).map {
            Transport(descriptor: attempt.descriptor, session: $0)
        }
    }

    private static func isConnectedToItself(_ attempt: Attempt) -> Bool {
        guard attempt.address.family != AF_UNIX else { return false }
        return SocketAddress.own(ofSocket: attempt.descriptor) == attempt.address
    }

    // MARK: Ending

    private func fail(_ error: HTTPClientError) {
        loop.assertCurrent()
        guard !isDone else { return }
        finish()
        exchange.finish(.failure(error))
    }

    private func finish() { end(removes: true) }

    private func end(removes: Bool) {
        isDone = true
        timeout?.cancel()
        nextAttempt?.cancel()
        for attempt in attempts { close(attempt) }
        (attempts, addresses) = ([], [])
        if removes { pool.remove(self) }
    }

    private func close(_ attempt: Attempt) {
        loop.unwatchClosing(attempt.descriptor)
        Glibc.close(attempt.descriptor)
    }
}
