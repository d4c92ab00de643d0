import Glibc
import Locking

/// A request until its response or error. Thread-safe.
public final class Exchange: Sendable {
    /// Called once, on an event loop; must not block.
    typealias Completion = @Sendable (Result<ClientResponse, HTTPClientError>) -> Void

    /// The current owner of the exchange, which is told of a cancellation.
    enum Holder: Sendable {
        /// It waits for a connection.
        case queued(HostPool)
        /// A connection is being opened for it.
        case dialer(Dialer)
        /// A connection carries it.
        case connection(ClientConnection)
    }

    private struct State {
        var completion: Completion?
        var holder: Holder?
        var isDone = false
    }

    let request: ClientRequest
    /// How much of the response's body is wanted.
    let limit: BodyLimit
    /// The deadline on the monotonic clock, in nanoseconds.
    let deadline: UInt64
    /// The event loop for completions that have no other.
    let loop: EventLoop
    private let state = Mutex(State())

    init(_ request: ClientRequest, within: Duration, limit: BodyLimit, loop: EventLoop) {
        self.request = request
        self.limit = limit
        self.loop = loop
        deadline = MonotonicClock.moment(within, after: MonotonicClock.now)
    }

    /// Cancels the exchange, which then fails with `HTTPClientError.cancelled` unless it has ended. Closes its
    /// connection.
    public func cancel() {
        let (completion, holder) = state.withLock { state in
            state.isDone = true
            defer { (state.completion, state.holder) = (nil, nil) }
            return (state.completion, state.holder)
        }
        guard let completion else { return }
        switch holder {
        case .queued(let pool): pool.removeFromQueue(self)
        case .dialer(let dialer): dialer.loop.submit { dialer.abandon(self) }
        case .connection(let connection): connection.loop.submit { connection.abandon(self) }
        case nil: break
        }
        loop.submit { completion(.failure(.cancelled)) }
    }

    /// Whether the exchange has ended.
    var isDone: Bool { state.withLock { $0.isDone } }

    /// Sets the completion.
    ///
    /// - Returns: false if it was cancelled before; the completion is not called then.
    func begin(_ completion: @escaping Completion) -> Bool {
        state.withLock { state in
            if !state.isDone { state.completion = completion }
            return !state.isDone
        }
    }

    /// Passes the exchange to another holder.
    ///
    /// - Returns: false if it has ended; the holder must ignore it then.
    func pass(to holder: Holder) -> Bool {
        state.withLock { state in
            if !state.isDone { state.holder = holder }
            return !state.isDone
        }
    }

    /// Completes the exchange; only the first call counts. Call it on an event loop.
    func finish(_ result: Result<ClientResponse, HTTPClientError>) {
        let completion = state.withLock { state in
            state.isDone = true
            defer { (state.completion, state.holder) = (nil, nil) }
            return state.completion
        }
        completion?(result)
    }

    /// Fails the exchange later on its event loop. Thread-safe.
    func finishLater(_ error: HTTPClientError) { loop.submit { self.finish(.failure(error)) } }
}

/// The clock of the event loops' deadlines.
enum MonotonicClock {
    /// The nanoseconds since an arbitrary moment.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Returns the moment after a duration.
    static func moment(_ duration: Duration, after start: UInt64) -> UInt64 {
        let (end, overflows) = start.addingReportingOverflow(duration.wholeNanoseconds)
        return overflows ? .max : end
    }
}

extension EventLoop {
    /// Sets a deadline to a moment on the monotonic clock, which the event loop's cached time may lag behind.
    func set(_ deadline: Deadline, at moment: UInt64) {
        deadline.set(inNanoseconds: moment - min(moment, deadlines.now))
    }
}
