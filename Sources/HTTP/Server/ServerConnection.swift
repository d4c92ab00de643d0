import CHecateLinux
import Glibc
import Telemetry

/// A client's connection to a listener: a state machine that belongs to an event loop, which is asserted.
///
/// Starts with `handshaking`, then alternates between `reading` and `answering`, with `streaming` for streamed
/// responses; ends through `closing` and `lingering` with `closed`. Reads nothing while a response is made or written:
/// TCP slows the client down, and early data waits in `pending`.
///
/// `@unchecked Sendable`: only `take` is called from other threads, and continues on the event loop.
final class ServerConnection: EventLoop.Descriptor, @unchecked Sendable {
    private enum Phase: Equatable {
        /// The TLS handshake.
        case handshaking
        /// Waits for or reads a request. `writesAnswer` while the last response is still being written.
        case reading(writesAnswer: Bool)
        /// The handler makes the response.
        case answering
        /// The response is streamed.
        case streaming(isChunked: Bool)
        /// The last response is being written.
        case closing
        /// The last response was written. Further data is discarded: closing a socket with unread data resets the
        /// connection, and the client might lose the response (RFC 9112, 9.6).
        case lingering
        case closed
    }

    /// The result of parsing the available bytes.
    private enum Step {
        case needsMore
        case request(ServerRequest)
        case refused(Refusal)
    }

    /// The most bytes that are read while `lingering`.
    private static let maximumLingerBytes = 16 << 20
    /// How long the rest of a request may take while draining, and reading its response.
    private static let drainHeadTimeout = Duration.seconds(1).wholeNanoseconds
    private static let drainBodyTimeout = Duration.seconds(5).wholeNanoseconds
    /// The bytes per second that a client must read of a response, after the basic timeout.
    private static let slowestReading = 64 << 10
    /// How much of pipelined responses is collected before writing.
    private static let maximumCollectedBytes = 32 << 10

    let loop: EventLoop
    private let connections: ConnectionSet
    private let settings: ListenerSettings
    private let transport: Transport
    private let remoteAddress: String?
    private lazy var deadline = loop.makeDeadline { [unowned self] in passDeadline() }

    private var phase = Phase.reading(writesAnswer: false)
    private var parser: RequestParser

    /// Data that was received but not parsed, from `pendingStart` on.
    private var pending: [UInt8] = []
    private var pendingStart = 0
    /// Data to write, from `written` on.
    private var output: [UInt8] = []
    private var written = 0

    // From the request that is being answered.
    private var isHead = false
    private var isVersion10 = false
    private var keepsAlive = true

    /// Whether pipelined requests are being processed; responses are collected then.
    private var isProcessing = false
    /// Whether `read` is running and will continue.
    private var isReading = false
    /// Whether data or the end arrived while nothing is read.
    private var hasUnreadInput = false
    /// Whether a write waits for the client to read.
    private var isBlocked = false
    /// How much was unwritten when the client last read, and the deadline for all of it.
    private var blockedBytes = 0
    private var answerEnd: UInt64 = 0
    private var readWantsWrite = false
    private var writeWantsRead = false
    private var lingeredBytes = 0

    private var streaming: Task<Void, Never>?
    /// Waits until the client has read what was written; resumed with false if it never will.
    private var writeWaiter: CheckedContinuation<Bool, Never>?

    init(_ transport: Transport, from remoteAddress: String?, in connections: ConnectionSet) {
        (self.transport, self.remoteAddress, self.connections) = (transport, remoteAddress, connections)
        loop = connections.loop
        settings = connections.settings
        parser = RequestParser(settings.parser)
    }

    /// Starts serving.
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
            // A half-closed connection is still answered; a closed one is not.
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
            // RFC 9110, 15.5.9. An idle connection is closed silently: the client could take a response for that to its
            // next request.
            refuse(Refusal(408, "the request took too long"))
            writeAndContinue()
            endTurn()
        case .handshaking, .reading, .answering, .streaming, .closing, .lingering: close()
        case .closed: break
        }
    }

    /// Whether nothing of a request was received.
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

    /// Updates the watched events at the end of a turn, without a system call if they are unchanged. Closes idle
    /// connections while draining.
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
                // The system reports remaining data of a socket, but not of a TLS session.
                guard transport.hasPending else { return }
            case .wantsRead:
                readWantsWrite = false
                return
            case .wantsWrite:
                readWantsWrite = true
                return
            case .ended, .failed:
                // The client may have half-closed the connection, but no response is pending.
                return close()
            }
        }
    }

    /// Parses requests and has them answered one after the other while responses are immediate.
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

    /// Parses the next request from stored and new bytes.
    private func parse(_ fresh: UnsafeRawBufferPointer?) -> Step {
        if pending.isEmpty {
            guard let fresh else { return .needsMore }
            // The common case: a whole request, parsed without a copy.
            let bytes = fresh.bindMemory(to: UInt8.self)
            var position = 0
            let step = parse(bytes.span, &position)
            // Stored before other code runs, which may reuse the event loop's buffer.
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
                    // RFC 9110, 10.1.1: not if a part of the body has arrived.
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

    /// Handles the response to the current request. Thread-safe.
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

    /// Appends a response, or the head of a streamed one, to the output.
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
        // Requests that arrived before draining are answered, including pipelined ones.
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

    /// Writes the output and continues with the next phase.
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

    /// Reads what a TLS session has buffered, which the system does not report; while draining, also unread data.
    private func readBuffered() {
        guard !isReading, transport.hasPending || (connections.isDraining && hasUnreadInput) else { return }
        // Later, because the caller may be using the event loop's buffer.
        loop.submit { [self] in
            read()
            endTurn()
        }
    }

    /// Writes as much as possible. Returns whether everything was written.
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
            let timeout = connections.isDraining ? min(settings.answer, Self.drainBodyTimeout) : settings.answer
            if !isBlocked {
                isBlocked = true
                let extra = connections.isDraining ? 0 : UInt64(left / Self.slowestReading) &* 1_000_000_000
                answerEnd = now &+ timeout &+ extra
            } else if left == blockedBytes {
                return
            }
            blockedBytes = left
            deadline.set(inNanoseconds: min(timeout, answerEnd > now ? answerEnd - now : 0))
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

    /// Writes a piece. Resumes the continuation when the client has read it.
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

    /// Drains the connection: answers what was received and waits for nothing more.
    func drain() {
        loop.assertCurrent()
        switch phase {
        case .handshaking, .lingering: deadline.set(inNanoseconds: Self.drainHeadTimeout)
        case .reading(writesAnswer: false):
            read()
            guard phase == .reading(writesAnswer: false) else { break }
            deadline.set(inNanoseconds: parser.isWithinBody ? Self.drainBodyTimeout : Self.drainHeadTimeout)
        case .reading, .streaming, .closing:
            guard isBlocked else { break }
            isBlocked = false
            waitForClient()
        case .answering, .closed: break
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
