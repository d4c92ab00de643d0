import CHecateLinux
import Glibc
import Locking

/// A connection to a server that carries one exchange after the other.
///
///     handshaking ──▶ exchanging ◀──▶ resting
///          └──────────────┴──────────────┴──▶ closed
///
/// `@unchecked Sendable`: belongs to its event loop; mutable state is used only there, which is asserted.
final class ClientConnection: PoolMember, EventLoop.Descriptor, @unchecked Sendable {
    private enum Phase {
        /// The TLS handshake, for the first exchange.
        case handshaking
        case exchanging
        case idle
        case closed
    }

    /// The progress of sending a request.
    private struct Output {
        /// The head, and the body or its beginning.
        var bytes: [UInt8] = []
        var written = 0
        /// The part of the body that is not in `bytes`.
        var body: ArraySlice<UInt8> = []

        var isEmpty: Bool { written == bytes.count && body.isEmpty }
    }

    /// How much of a body is copied behind the head, to send both at once.
    private static let copiedBody = 32 << 10
    /// How long a connection may be idle before it is checked for a close before its next use; until then the event
    /// loop reports it.
    private static let idleWithoutCheck: UInt64 = 5_000_000
    private static let maximumReadsInARow = 16
    /// After this many bytes the connection checks for a response and yields to others.
    private static let maximumSentInARow = 1 << 20

    let loop: EventLoop
    private let pool: HostPool
    private let transport: Transport
    /// When it is too old for another exchange.
    private let endOfLife: UInt64
    private var phase = Phase.handshaking
    private var exchange: Exchange?
    private var parser = ResponseParser()
    private var output = Output()
    /// Whether the system has accepted a byte of the request.
    private var hasSent = false
    /// Whether the rest of the request is not sent, because the response came first or the peer accepts no more.
    private var stopsSending = false
    private var closesAfterResponse = false
    private var wantsWrite = false
    /// Whether TLS must write before it can read.
    private var readsWhenWritable = false
    private var exchanges = 0
    /// Whether the peer has closed its side, though data before that may be unread.
    private var peerHasEnded = false
    /// Whether the last read filled the buffer, so that more may be available.
    private var hasFilledBuffer = false
    private var idleSince: UInt64 = 0
    private lazy var deadline = loop.makeDeadline { [unowned self] in passDeadline() }

    init(_ transport: Transport, _ pool: HostPool, _ loop: EventLoop) {
        (self.transport, self.pool, self.loop) = (transport, pool, loop)
        // Connections that were opened together must not all expire together.
        let age = pool.settings.configuration.maximumAge
        endOfLife = MonotonicClock.moment(age - age * Double.random(in: 0...0.125), after: MonotonicClock.now)
    }

    // MARK: - What happens to it

    /// Starts the connection with its first exchange.
    ///
    /// - Parameter end: the deadline of the handshake.
    func open(for exchange: Exchange, until end: UInt64) {
        loop.assertCurrent()
        self.exchange = exchange
        guard exchange.pass(to: .connection(self)) else { return close() }
        guard loop.watch(transport.descriptor, EPOLLIN.rawValue | EPOLLRDHUP.rawValue, self) else {
            return fail(.cannotConnect(reason: String(cString: strerror(errno))))
        }
        loop.set(deadline, at: end)
        continueHandshake()
    }

    /// Starts an exchange. A connection that was closed meanwhile gives it back to the pool.
    func begin(_ exchange: Exchange) {
        loop.assertCurrent()
        let now = MonotonicClock.now
        if phase == .idle, now - idleSince > Self.idleWithoutCheck { checkIdle() }
        guard phase == .idle else {
            // Nothing of it was sent.
            return pool.restart(exchange, inPlaceOf: self)
        }
        guard exchange.pass(to: .connection(self)) else { return becomeIdle(now) }
        guard exchange.deadline > now else {
            exchange.finishLater(.timedOutBeforeSending)
            return becomeIdle(now)
        }
        send(exchange)
    }

    /// Closes the connection, because its exchange was cancelled.
    func abandon(_ exchange: Exchange) {
        loop.assertCurrent()
        guard self.exchange === exchange else { return }
        self.exchange = nil
        close()
    }

    func shutDown() {
        loop.assertCurrent()
        let exchange = take(&exchange)
        close()
        exchange?.finish(.failure(.shutDown))
    }

    func ready(_ events: UInt32) {
        loop.assertCurrent()
        wantsWrite = false
        if events & EPOLLRDHUP.rawValue != 0 { peerHasEnded = true }
        switch phase {
        case .handshaking: continueHandshake()
        case .exchanging:
            // Read an early response before sending more.
            if events & ~EPOLLOUT.rawValue != 0 || readsWhenWritable { read() }
            if phase == .exchanging { flush() }
        case .idle: checkIdle()
        case .closed: return
        }
        if phase != .closed { updateEvents() }
    }

    private func passDeadline() {
        switch phase {
        case .handshaking: fail(.timedOutBeforeSending)
        case .exchanging: fail(hasSent ? .timedOutAfterSending : .timedOutBeforeSending)
        case .idle: close()
        case .closed: break
        }
    }

    // MARK: - The handshake

    private func continueHandshake() {
        switch transport.handshake() {
        case .done: if let exchange { send(exchange) } else { close() }
        case .wantsRead: break
        case .wantsWrite: wantsWrite = true
        case .failed(let error): fail(.tls(reason: Self.reason(of: error)))
        }
        if phase != .closed { updateEvents() }
    }

    private static func reason(of error: TransportError) -> String {
        switch error {
        case .system(let code): String(cString: strerror(code))
        case .closed, .tls("unexpected eof while reading"): "the connection was closed in the handshake"
        case .tls("wrong version number"), .tls("packet length too long"):
            "what answers does not speak TLS (\(error))"
        case .tls(let reason): reason
        }
    }

    // MARK: - Sending

    private func send(_ exchange: Exchange) {
        phase = .exchanging
        self.exchange = exchange
        (hasSent, stopsSending, hasFilledBuffer) = (false, false, false)
        let request = exchange.request
        parser.begin(
            isHead: request.method == "HEAD", limit: exchange.limit,
            maximumHead: pool.settings.configuration.maximumHeader)
        output.bytes = loop.takeOutput()
        closesAfterResponse = RequestWriter.write(request, to: &output.bytes)
        output.written = 0
        if let body = request.body {
            let copied = body.count <= Self.copiedBody ? body.count : Self.copiedBody
            output.bytes.append(contentsOf: body[..<copied])
            output.body = body[copied...]
        }
        loop.set(deadline, at: exchange.deadline)
        flush()
        if phase == .exchanging { updateEvents() }
    }

    /// Sends as much as possible. An error is not reported yet: the peer may have sent a response before.
    private func flush() {
        guard !stopsSending, !output.isEmpty else { return }
        var written = 0
        while !output.isEmpty {
            guard written < Self.maximumSentInARow else {
                wantsWrite = true
                return
            }
            switch writeSome() {
            case .bytes(let count):
                hasSent = true
                advance(count)
                written += count
            case .wantsWrite:
                wantsWrite = true
                return
            case .wantsRead: return
            case .ended, .failed: return stopSending()
            }
        }
        if parser.isComplete { complete() } else { recycleOutput() }
    }

    private func writeSome() -> Transport.Outcome {
        if output.written < output.bytes.count {
            return output.bytes.withUnsafeBytes { transport.write(.init(rebasing: $0[output.written...])) }
        }
        return output.body.prefix(Self.maximumSentInARow).withUnsafeBytes { transport.write($0) }
    }

    private func advance(_ count: Int) {
        let first = min(count, output.bytes.count - output.written)
        output.written += first
        output.body = output.body.dropFirst(count - first)
    }

    private func recycleOutput() {
        loop.recycle(take(&output.bytes))
        output = Output()
    }

    /// Drops the rest of the request.
    private func stopSending() {
        stopsSending = true
        output = Output()
        if phase == .exchanging, parser.isComplete { complete() }
    }

    // MARK: - Reading

    private func read() {
        readsWhenWritable = false
        for _ in 0..<Self.maximumReadsInARow {
            // A response that is complete before the request waits for it.
            guard phase == .exchanging, !parser.isComplete else { return }
            switch transport.read(into: loop.scratch) {
            case .bytes(let count):
                hasFilledBuffer = count == loop.scratch.count
                take(count)
                // The event loop reports further data.
                guard phase == .exchanging, hasFilledBuffer || transport.hasPending else { return }
            case .wantsRead: return
            case .wantsWrite:
                (wantsWrite, readsWhenWritable) = (true, true)
                return
            case .ended: return end(isOrderly: !stopsSending || parser.status ?? 0 >= 300, nil)
            case .failed(let error): return end(isOrderly: false, error)
            }
        }
    }

    /// Parses bytes in the event loop's buffer.
    private func take(_ count: Int) {
        do throws(HTTPClientError) {
            try parser.feed(
                UnsafeBufferPointer(start: loop.scratch.baseAddress?.assumingMemoryBound(to: UInt8.self), count: count)
                    .span)
        } catch {
            return fail(error)
        }
        guard let status = parser.status else { return }
        // A server that refuses a request before reading it does not want the rest (RFC 9110, 10.1.1; RFC 9112, 9.5).
        // One that accepted it may still be reading.
        if status >= 300, !output.isEmpty { return stopSending() }
        if parser.isComplete, output.isEmpty { complete() }
    }

    /// Handles the end of the peer's data.
    private func end(isOrderly: Bool, _ cause: TransportError?) {
        // With TLS 1.3 a server refuses a client certificate only after the handshake, in place of the first response.
        if case .tls(let reason) = cause, exchanges == 0, !parser.hasBegun, reason.contains("alert") {
            return fail(.tls(reason: reason))
        }
        do throws(HTTPClientError) {
            try parser.end(isOrderly: isOrderly)
            // It has ended its side, and may still be reading.
            if output.isEmpty { complete() }
        } catch {
            fail(error)
        }
    }

    // MARK: - The end of an exchange

    private func complete() {
        let exchange = take(&exchange)
        let now = MonotonicClock.now
        let isWhole = output.isEmpty && !stopsSending
        let isKept = isWhole && parser.keepsAlive && !closesAfterResponse && !peerHasEnded && now < endOfLife
        let response = parser.takeResponse()
        exchanges += 1
        if isKept { becomeIdle(now) } else { close() }
        exchange?.finish(.success(response))
    }

    private func fail(_ error: HTTPClientError) {
        guard phase != .closed else { return }
        let isResent = error == .closed && mayResend
        guard let exchange = take(&exchange) else { return close() }
        if isResent {
            close(leavesPool: false)
            return pool.restart(exchange, inPlaceOf: self)
        }
        // The status of a truncated response, if that is enough.
        let cut = phase == .exchanging ? parser.cutResponse() : nil
        close()
        exchange.finish(cut.map { .success($0) } ?? .failure(error))
    }

    /// Whether the request may be sent again: the connection was reused and possibly closed just then, nothing was
    /// received, and the request is idempotent or nothing of it was sent (RFC 9110, 9.2.2; RFC 9112, 9.3.1).
    private var mayResend: Bool {
        guard phase == .exchanging, exchanges > 0, !parser.hasBegun, let exchange else { return false }
        return !hasSent || RequestWriter.isIdempotent(exchange.request.method)
    }

    /// Becomes idle, or starts a waiting exchange.
    private func becomeIdle(_ now: UInt64) {
        if hasFilledBuffer || transport.hasPending { checkIdle() }
        guard phase != .closed else { return }
        switch pool.release(self) {
        case .exchange(let next):
            phase = .idle
            begin(next)
        case .close: close()
        case .idle:
            phase = .idle
            idleSince = now
            let idleTimeout = pool.settings.configuration.idleTimeout
            loop.set(deadline, at: min(MonotonicClock.moment(idleTimeout, after: now), endOfLife))
            updateEvents()
        }
    }

    /// Closes an idle connection with data or at its end: data would be taken for the response to a later request.
    /// TLS's own messages, such as session tickets, are no data.
    private func checkIdle() {
        switch transport.read(into: loop.scratch) {
        case .wantsRead: break
        case .bytes, .wantsWrite, .ended, .failed: close()
        }
    }

    private func close(leavesPool: Bool = true) {
        guard phase != .closed else { return }
        let wasIdle = phase == .idle
        phase = .closed
        deadline.cancel()
        output = Output()
        loop.unwatchClosing(transport.descriptor)
        transport.close()
        guard leavesPool else { return }
        if wasIdle { _ = pool.removeIdle(self) } else { pool.remove(self) }
    }

    private func updateEvents() {
        var events: UInt32 = 0
        // A response that is complete before the request is not read further.
        if phase != .exchanging || !parser.isComplete { events |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue }
        if wantsWrite { events |= EPOLLOUT.rawValue }
        loop.watch(transport.descriptor, events, self)
    }

    private func take<Value>(_ value: inout Value?) -> Value? {
        defer { value = nil }
        return value
    }

    private func take(_ bytes: inout [UInt8]) -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }
}
