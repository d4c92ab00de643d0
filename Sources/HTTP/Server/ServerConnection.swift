import CHecateLinux
import Glibc
import Telemetry

/// One client of a listener. A state machine that belongs to a loop for life and asserts it.
///
/// It goes from `handshaking` to `reading`, and from there round by `answering`, and `streaming` where an answer comes in pieces; from
/// anywhere by `closing` and `lingering` to `closed`. While an answer is made or written nothing is read: who sends on is held up by TCP,
/// and what was sent too early waits in `pending`.
///
/// `@unchecked Sendable`: everything but `take` happens on the loop's thread; `take` goes there.
final class ServerConnection: EventLoop.Descriptor, @unchecked Sendable {
    private enum Phase: Equatable {
        /// TLS is being agreed on.
        case handshaking
        /// A request comes, or is waited for. `writesAnswer` while the end of the answer before is still to be written.
        case reading(writesAnswer: Bool)
        /// Somebody makes the answer.
        case answering
        /// The pieces of an answer come.
        case streaming(isChunked: Bool)
        /// The last answer is being written.
        case closing
        /// The last answer is written. What the client still sends is read and thrown away: closing a socket with unread bytes resets the
        /// connection, and the answer might never be seen (RFC 9112, 9.6).
        case lingering
        case closed
    }

    /// What came out of the bytes that are there.
    private enum Step {
        case needsMore
        case request(ServerRequest)
        case refused(Refusal)
    }

    /// The most bytes that are read while `lingering`.
    private static let maximumLingerBytes = 16 << 20
    /// How long the rest of a request may take when the listener ends.
    private static let drainHeadTimeout = Duration.seconds(1).wholeNanoseconds
    private static let drainBodyTimeout = Duration.seconds(5).wholeNanoseconds
    /// The bytes a second that a client has to read of an answer, beside the time that it has in any case.
    private static let slowestReading = 64 << 10
    /// So much of the answers to requests that came together is collected before it is written.
    private static let maximumCollectedBytes = 32 << 10

    let loop: EventLoop
    private let connections: ConnectionSet
    private let settings: ListenerSettings
    private let transport: Transport
    private let remoteAddress: String?
    private lazy var deadline = loop.makeDeadline { [unowned self] in passDeadline() }

    private var phase = Phase.reading(writesAnswer: false)
    private var parser: RequestParser

    /// What has come and is not read yet, from `pendingStart` on.
    private var pending: [UInt8] = []
    private var pendingStart = 0
    /// What is to be written, from `written` on.
    private var output: [UInt8] = []
    private var written = 0

    // What the request that is being answered said.
    private var isHead = false
    private var isVersion10 = false
    private var keepsAlive = true

    /// Whether requests are being taken out of what has come: an answer that comes meanwhile is collected.
    private var isProcessing = false
    /// Whether `read` is at work, and will look for more by itself.
    private var isReading = false
    /// Whether something has come, the end perhaps, while nothing was to be read.
    private var hasUnreadInput = false
    /// Whether the client is being waited for to read.
    private var isBlocked = false
    /// How much was left when it last took something, and when it has to have taken everything.
    private var blockedBytes = 0
    private var answerEnd: UInt64 = 0
    private var readWantsWrite = false
    private var writeWantsRead = false
    private var lingeredBytes = 0

    private var streaming: Task<Void, Never>?
    /// Who waits until the client has taken what was written; false where it never will.
    private var writeWaiter: CheckedContinuation<Bool, Never>?

    init(_ transport: Transport, from remoteAddress: String?, in connections: ConnectionSet) {
        (self.transport, self.remoteAddress, self.connections) = (transport, remoteAddress, connections)
        loop = connections.loop
        settings = connections.settings
        parser = RequestParser(settings.parser)
    }

    /// Begins to serve.
    func begin() {
        loop.assertCurrent()
        if transport.isSecure { phase = .handshaking }
        deadline.set(inNanoseconds: settings.idle)
        endTurn()
    }

    // MARK: - Events

    func ready(_ events: UInt32) {
        let isGone = events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        switch phase {
        case .handshaking: continueHandshake()
        case .reading(let writesAnswer):
            if writesAnswer || !output.isEmpty { writeAndContinue() }
            if phase == .reading(writesAnswer: false) { read() }
        case .answering, .streaming:
            // Half of a connection that is closed is no reason not to answer; a whole one is.
            if isGone { return close() }
            if events & EPOLLIN.rawValue != 0 { hasUnreadInput = true }
            if !output.isEmpty { writeAndContinue() }
        case .closing: writeAndContinue()
        case .lingering: discard()
        case .closed: return
        }
        endTurn()
    }

    private func passDeadline() {
        switch phase {
        case .reading(writesAnswer: false) where !isIdle:
            // RFC 9110, 15.5.9. A connection that rests is closed without a word: the client could take it for the answer to a request
            // that is on its way.
            refuse(Refusal(408, "the request took too long"))
            writeAndContinue()
            endTurn()
        case .handshaking, .reading, .answering, .streaming, .closing, .lingering: close()
        case .closed: break
        }
    }

    /// Whether nothing of a request has come.
    private var isIdle: Bool { pending.isEmpty && parser.isBetweenRequests }

    private func continueHandshake() {
        switch transport.handshake() {
        case .done:
            phase = .reading(writesAnswer: false)
            readWantsWrite = false
            deadline.set(inNanoseconds: connections.isDraining ? Self.drainHeadTimeout : settings.idle)
            if transport.hasPending { read() }
        case .wantsRead: readWantsWrite = false
        case .wantsWrite: readWantsWrite = true
        case .failed: close()
        }
    }

    /// Before the loop goes on to others: has it watch for what the phase waits for, which is no system call where that is what it was. A
    /// connection that rests ends with its listener.
    private func endTurn() {
        if connections.isDraining, phase == .reading(writesAnswer: false), isIdle, !hasUnreadInput,
            !transport.hasPending
        {
            return close()
        }
        var events: UInt32 = 0
        switch phase {
        case .handshaking: events = readWantsWrite ? EPOLLOUT.rawValue : EPOLLIN.rawValue
        case .reading(writesAnswer: false): events = EPOLLIN.rawValue | (readWantsWrite ? EPOLLOUT.rawValue : 0)
        case .answering, .streaming: events = hasUnreadInput ? 0 : EPOLLIN.rawValue
        case .lingering: events = EPOLLIN.rawValue
        case .reading, .closing: break
        case .closed: return
        }
        if !output.isEmpty { events |= writeWantsRead ? EPOLLIN.rawValue : EPOLLOUT.rawValue }
        if !loop.watch(transport.descriptor, events, self) { close() }
    }

    // MARK: - Requests

    private func read() {
        isReading = true
        defer { isReading = false }
        while phase == .reading(writesAnswer: false) {
            hasUnreadInput = false
            switch transport.read(into: loop.scratch) {
            case .bytes(let count):
                readWantsWrite = false
                process(UnsafeRawBufferPointer(rebasing: loop.scratch[..<count]))
                writeAndContinue()
                // A socket tells again of what is left in it; a TLS session does not.
                guard transport.hasPending else { return }
            case .wantsRead:
                readWantsWrite = false
                return
            case .wantsWrite:
                readWantsWrite = true
                return
            case .ended, .failed:
                // Whoever has said all it wanted may still wait for answers; but there is none to be given any more.
                return close()
            }
        }
    }

    /// Takes requests out of what has come, and has them answered, one after the other, as long as the answers come at once.
    private func process(_ fresh: UnsafeRawBufferPointer?) {
        isProcessing = true
        defer { isProcessing = false }
        var step = parse(fresh)
        while true {
            switch step {
            case .needsMore: return
            case .refused(let refusal): return refuse(refusal)
            case .request(let request):
                phase = .answering
                deadline.clear()
                settings.handler(request, Responder(self))
                guard phase == .reading(writesAnswer: true), !pending.isEmpty else { return }
                if output.count > Self.maximumCollectedBytes, !flush() { return }
                step = parse(nil)
            }
        }
    }

    /// Looks for the next request in what was kept, with fresh bytes behind it.
    private func parse(_ fresh: UnsafeRawBufferPointer?) -> Step {
        if pending.isEmpty {
            guard let fresh else { return .needsMore }
            // The usual case: a whole request, and nothing of it is copied but what it consists of.
            let bytes = fresh.bindMemory(to: UInt8.self)
            var position = 0
            let step = parse(bytes.span, &position)
            // Kept before anybody is called: the bytes are the loop's.
            if position < bytes.count { pending.append(contentsOf: bytes[position...]) }
            return step
        }
        if let fresh { pending.append(contentsOf: fresh) }
        let bytes = pending
        var position = pendingStart
        let step = parse(bytes.span, &position)
        if position == bytes.count {
            (pending, pendingStart) = ([], 0)
        } else if position > 16 << 10 {
            (pending, pendingStart) = (Array(bytes[position...]), 0)
        } else {
            pendingStart = position
        }
        return step
    }

    private func parse(_ input: Span<UInt8>, _ position: inout Int) -> Step {
        var isBodyNew = false
        do throws(Refusal) {
            while true {
                switch try parser.parse(input, &position) {
                case .needsMore:
                    if isBodyNew {
                        deadline.set(inNanoseconds: connections.isDraining ? Self.drainBodyTimeout : settings.body)
                    }
                    return .needsMore
                case .head:
                    let head = parser.head
                    (isHead, isVersion10, keepsAlive) = (head.method == "HEAD", head.isVersion10, head.keepsAlive)
                    guard head.framing != .none else { continue }
                    try parser.allowBody(upTo: settings.bodyBytes(head.path))
                    // RFC 9110, 10.1.1: not where the body is there already, or a part of it.
                    if head.expectsContinue, position == input.count { output.append("HTTP/1.1 100 Continue\r\n\r\n") }
                    isBodyNew = true
                case .end: return .request(parser.takeRequest(from: remoteAddress))
                }
            }
        } catch {
            return .refused(error)
        }
    }

    private func refuse(_ refusal: Refusal) {
        phase = .answering
        isHead = parser.head.method == "HEAD"
        keepsAlive = false
        answer(.text(refusal.status, refusal.reason))
    }

    // MARK: - Answers

    /// Takes the answer to the request that the connection has given out. From any thread.
    func take(_ response: ServerResponse) {
        guard !loop.isCurrent else { return answerAndContinue(response) }
        loop.submit { [self] in answerAndContinue(response) }
    }

    private func answerAndContinue(_ response: ServerResponse) {
        answer(response)
        guard !isProcessing else { return }
        writeAndContinue()
        endTurn()
    }

    /// Puts an answer behind what is to be written, or the beginning of one that comes in pieces.
    private func answer(_ response: ServerResponse) {
        loop.assertCurrent()
        guard phase == .answering else { return }
        guard (200...599).contains(response.status) else {
            settings.logger.error("an answer has a status that is none", metadata: ["status": "\(response.status)"])
            return answer(.text(500, "there is no answer"))
        }
        // RFC 9112, 6.3: never a body, whatever the fields say.
        let isBodiless = response.status == 204 || response.status == 304
        let stream = isBodiless ? nil : response.stream
        let isChunked = stream != nil && !isVersion10
        if stream != nil, isVersion10 { keepsAlive = false }
        // What came before the listener ended is answered, also what waits behind this one.
        if connections.isDraining, !hasMoreInput { keepsAlive = false }
        if output.isEmpty { output = loop.takeOutput() }
        let framing: ResponseWriter.Framing =
            isBodiless ? .none : isChunked ? .chunked : stream != nil ? .untilClose : .length(response.body.count)
        let refused = ResponseWriter.appendHead(
            response, framing, keepsAlive ? (isVersion10 ? .keepAliveExplicit : .keepAlive) : .close,
            date: loop.dateField, to: &output)
        for name in refused { warn(ofField: name) }
        if !isHead, !isBodiless {
            if isChunked {
                ResponseWriter.appendChunk(response.body, to: &output)
            } else {
                output.append(contentsOf: response.body)
            }
        }
        guard let stream, !isHead else { return endAnswer() }
        phase = .streaming(isChunked: isChunked)
        begin(stream)
    }

    private var hasMoreInput: Bool { !pending.isEmpty || hasUnreadInput || transport.hasPending }

    private func endAnswer() { phase = keepsAlive ? .reading(writesAnswer: true) : .closing }

    private func warn(ofField name: String) {
        settings.logger.warning(
            "a header field of an answer was left out, since its name or value cannot be sent",
            metadata: ["field": "\(name.unicodeScalars.filter { $0.value > 32 && $0.value < 127 }.prefix(64))"])
    }

    /// Writes what there is, and goes on from where that leads.
    private func writeAndContinue() {
        while phase != .closed {
            guard flush() else { return waitForClient() }
            if isBlocked {
                isBlocked = false
                deadline.clear()
            }
            switch phase {
            case .reading(writesAnswer: true):
                phase = .reading(writesAnswer: false)
                deadline.set(inNanoseconds: connections.isDraining ? Self.drainHeadTimeout : settings.idle)
                if !pending.isEmpty { process(nil) }
                if phase == .reading(writesAnswer: false), output.isEmpty { return readBuffered() }
            case .streaming:
                writeWaiter?.resume(returning: true)
                writeWaiter = nil
                return
            case .closing: return linger()
            case .reading(writesAnswer: false): return readBuffered()
            case .answering where !output.isEmpty: continue
            case .handshaking, .answering, .lingering, .closed: return
            }
        }
    }

    /// What a TLS session holds back is read, which its socket does not tell of; and before a listener ends, what its socket told of.
    private func readBuffered() {
        guard !isReading, transport.hasPending || (connections.isDraining && hasUnreadInput) else { return }
        // Not at once: whoever gives an answer on this loop may be looking at what is in its scratch buffer.
        loop.submit { [self] in
            read()
            endTurn()
        }
    }

    /// Writes as much as the client takes; whether that was all.
    private func flush() -> Bool {
        while written < output.count {
            let outcome = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[written...])) }
            switch outcome {
            case .bytes(let count): written += count
            case .wantsWrite:
                writeWantsRead = false
                return false
            case .wantsRead:
                writeWantsRead = true
                return false
            case .ended, .failed:
                close()
                return false
            }
        }
        guard written > 0 else { return true }
        var done: [UInt8] = []
        swap(&done, &output)
        loop.recycle(done)
        written = 0
        return true
    }

    private func waitForClient() {
        switch phase {
        case .reading(writesAnswer: true), .streaming, .closing:
            let now = loop.deadlines.now
            let left = output.count - written
            if !isBlocked {
                isBlocked = true
                answerEnd = now &+ settings.answer &+ UInt64(left / Self.slowestReading) &* 1_000_000_000
            } else if left == blockedBytes {
                return
            }
            blockedBytes = left
            deadline.set(inNanoseconds: min(settings.answer, answerEnd > now ? answerEnd - now : 0))
        case .handshaking, .reading, .answering, .lingering, .closed: break
        }
    }

    // MARK: - Streams

    private func begin(_ stream: BodyStream) {
        let loop = loop
        streaming = Task { [self] in
            for await piece in stream.pieces {
                let isWritten = await withCheckedContinuation { continuation in
                    loop.submit { [self] in write(piece, continuation) }
                }
                guard isWritten else { break }
            }
            loop.submit { [self] in endStream() }
        }
    }

    /// Writes a piece; the continuation goes on when the client has taken it.
    private func write(_ piece: [UInt8], _ continuation: CheckedContinuation<Bool, Never>) {
        guard case .streaming(let isChunked) = phase else { return continuation.resume(returning: false) }
        if isChunked {
            ResponseWriter.appendChunk(piece, to: &output)
        } else {
            output.append(contentsOf: piece)
        }
        writeWaiter = continuation
        writeAndContinue()
        endTurn()
    }

    private func endStream() {
        guard case .streaming(let isChunked) = phase else { return }
        streaming = nil
        if isChunked { output.append("0\r\n\r\n") }
        endAnswer()
        writeAndContinue()
        endTurn()
    }

    // MARK: - The end

    private func linger() {
        phase = .lingering
        transport.finishWriting()
        deadline.set(inNanoseconds: connections.isDraining ? Self.drainHeadTimeout : settings.linger)
    }

    private func discard() {
        for _ in 0..<16 {
            switch transport.discard(loop.scratch) {
            case .bytes(let count):
                lingeredBytes += count
                guard lingeredBytes <= Self.maximumLingerBytes else { return close() }
                guard count == loop.scratch.count else { return }
            case .wantsRead, .wantsWrite: return
            case .ended, .failed: return close()
            }
        }
    }

    /// The listener ends: what has come is answered, and nothing more is waited for.
    func drain() {
        loop.assertCurrent()
        switch phase {
        case .handshaking, .lingering: deadline.set(inNanoseconds: Self.drainHeadTimeout)
        case .reading(writesAnswer: false):
            read()
            guard phase == .reading(writesAnswer: false) else { break }
            deadline.set(inNanoseconds: parser.isWithinBody ? Self.drainBodyTimeout : Self.drainHeadTimeout)
        case .reading, .answering, .streaming, .closing, .closed: break
        }
        endTurn()
    }

    private func close() {
        guard phase != .closed else { return }
        phase = .closed
        deadline.cancel()
        streaming?.cancel()
        streaming = nil
        writeWaiter?.resume(returning: false)
        writeWaiter = nil
        (pending, output, written) = ([], [], 0)
        loop.unwatchClosing(transport.descriptor)
        transport.close()
        connections.remove(self)
    }
}
