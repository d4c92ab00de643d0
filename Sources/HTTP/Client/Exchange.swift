import Glibc
import Locking

/// One request on its way to one answer, or to the reason why there is none. May be used from any thread.
public final class Exchange: Sendable {
    /// Told once, on a loop; must not block.
    typealias Completion = @Sendable (Result<ClientResponse, HTTPClientError>) -> Void

    /// Who has the exchange, and has to hear where it is cancelled.
    enum Holder: Sendable {
        /// It waits for a connection.
        case queued(HostPool)
        /// A connection is made for it.
        case dialer(Dialer)
        /// A connection carries it.
        case connection(ClientConnection)
    }

    private struct State {
        var completion: Completion?
        var holder: Holder?
        var isDone = false
    }

    /// What is asked.
    let request: ClientRequest
    /// How much of the answer's body is wanted.
    let limit: BodyLimit
    /// When the time for all of it is up, on the monotonic clock, in nanoseconds.
    let deadline: UInt64
    /// Where it is told what became of it if nobody else's loop is at hand.
    let loop: EventLoop
    private let state = Mutex(State())

    init(_ request: ClientRequest, within: Duration, limit: BodyLimit, loop: EventLoop) {
        self.request = request
        self.limit = limit
        self.loop = loop
        deadline = MonotonicClock.moment(within, after: MonotonicClock.now)
    }

    /// Ends it without an answer, which is told as `HTTPClientError.cancelled` unless it is over already. The connection that it was on
    /// is closed.
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

    /// Whether nobody waits for an answer any more.
    var isDone: Bool { state.withLock { $0.isDone } }

    /// Says who is to be told.
    ///
    /// - Returns: false where it was cancelled before it began; then nobody is told any more.
    func begin(_ completion: @escaping Completion) -> Bool {
        state.withLock { state in
            if !state.isDone { state.completion = completion }
            return !state.isDone
        }
    }

    /// Passes to another holder.
    ///
    /// - Returns: false where it is over; the holder has nothing to do with it then.
    func pass(to holder: Holder) -> Bool {
        state.withLock { state in
            if !state.isDone { state.holder = holder }
            return !state.isDone
        }
    }

    /// Tells the outcome; only the first counts. On a loop.
    func finish(_ result: Result<ClientResponse, HTTPClientError>) {
        let completion = state.withLock { state in
            state.isDone = true
            defer { (state.completion, state.holder) = (nil, nil) }
            return state.completion
        }
        completion?(result)
    }

    /// Tells a failure from any thread, after what is being done now.
    func finishLater(_ error: HTTPClientError) { loop.submit { self.finish(.failure(error)) } }
}

/// The clock of the loops' deadlines.
enum MonotonicClock {
    /// Nanoseconds since some moment.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// The moment that lies so far ahead of another.
    static func moment(_ duration: Duration, after start: UInt64) -> UInt64 {
        let (end, overflows) = start.addingReportingOverflow(duration.wholeNanoseconds)
        return overflows ? .max : end
    }
}

extension EventLoop {
    /// Sets a deadline of this loop to a moment of the monotonic clock. The loop's own idea of now may be a little older than the clock.
    func set(_ deadline: Deadline, at moment: UInt64) {
        deadline.set(inNanoseconds: moment - min(moment, deadlines.now))
    }
}
