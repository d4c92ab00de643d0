import CHecateSSL
import Glibc

/// Bytes over a connected socket that never blocks, with TLS or without; for servers and clients. Owned by one connection, on one loop.
final class Transport {
    /// What became of a step.
    enum Outcome: Equatable {
        /// So many bytes, one at least.
        case bytes(Int)
        /// Not now: again when the socket can be read.
        case wantsRead
        /// Not now: again when the socket can be written.
        case wantsWrite
        /// The other side will send nothing more, and said so.
        case ended
        /// The connection is of no use any more.
        case failed(TransportError)
    }

    /// What became of a step of the handshake.
    enum Handshake: Equatable {
        case done
        case wantsRead
        case wantsWrite
        case failed(TransportError)
    }

    /// The socket; -1 once it is closed.
    private(set) var descriptor: Int32
    private var session: OpaquePointer?
    /// Whether the session failed: nothing may be said through it any more, not even good-bye.
    private var isBroken = false

    /// A connection without TLS. The descriptor is this object's from now on.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        session = nil
    }

    /// A connection with TLS: a session of `TLSContext`, whose handshake is still to come. Both are this object's from now on.
    init(descriptor: Int32, session: OpaquePointer) {
        self.descriptor = descriptor
        self.session = session
        SSL_set_fd(session, descriptor)
    }

    deinit { close() }

    /// Whether there is TLS.
    var isSecure: Bool { session != nil }

    /// Whether bytes have come that the socket does not tell of any more: `read` again instead of waiting for it.
    var hasPending: Bool {
        guard let session else { return false }
        return SSL_has_pending(session) == 1
    }

    /// Goes on with the handshake; `done` at once where there is no TLS.
    func handshake() -> Handshake {
        guard let session else { return .done }
        ERR_clear_error()
        let status = SSL_do_handshake(session)
        guard status != 1 else { return .done }
        switch outcome(session, status, isHandshake: true) {
        case .wantsRead, .bytes: return .wantsRead
        case .wantsWrite: return .wantsWrite
        case .ended: return .failed(.closed)
        case .failed(let error): return .failed(error)
        }
    }

    /// Reads what is there, as far as there is room. With TLS several records may be read.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        guard let session else {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            return errno == EAGAIN || errno == EINTR ? .wantsRead : .failed(.system(errno))
        }
        var total = 0
        while total < buffer.count {
            ERR_clear_error()
            let rest = Int32(clamping: buffer.count - total)
            let count = SSL_read(session, buffer.baseAddress?.advanced(by: total), rest)
            guard count > 0 else {
                // What came before is given out first; the end, or what failed, comes up again.
                guard total == 0 else { break }
                return outcome(session, count, isHandshake: false)
            }
            total += Int(count)
            guard SSL_has_pending(session) == 1 else { break }
        }
        return .bytes(total)
    }

    /// Writes as much as is taken.
    func write(_ buffer: UnsafeRawBufferPointer) -> Outcome {
        guard let session else {
            let count = send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return .bytes(count) }
            return errno == EAGAIN || errno == EINTR ? .wantsWrite : .failed(.system(errno))
        }
        ERR_clear_error()
        let count = SSL_write(session, buffer.baseAddress, Int32(clamping: buffer.count))
        return count > 0 ? .bytes(Int(count)) : outcome(session, count, isHandshake: false)
    }

    /// Reads what comes and throws it away, without a look at what TLS makes of it. For a connection whose last word was said.
    func discard(_ buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .ended }
        return errno == EAGAIN || errno == EINTR ? .wantsRead : .failed(.system(errno))
    }

    /// Says that nothing more will be sent.
    func finishWriting() {
        sendCloseNotify()
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes the connection; with TLS the other side is told that nothing was cut off, where that is possible without waiting. Again is
    /// allowed.
    func close() {
        guard descriptor >= 0 else { return }
        if let session {
            sendCloseNotify()
            SSL_free(session)
        }
        session = nil
        Glibc.close(descriptor)
        descriptor = -1
    }

    private func sendCloseNotify() {
        guard let session, !isBroken, SSL_is_init_finished(session) == 1,
            SSL_get_shutdown(session) & SSL_SENT_SHUTDOWN == 0
        else { return }
        ERR_clear_error()
        SSL_shutdown(session)
        ERR_clear_error()
    }

    private func outcome(_ session: OpaquePointer, _ status: Int32, isHandshake: Bool) -> Outcome {
        let code = errno
        switch SSL_get_error(session, status) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        case SSL_ERROR_ZERO_RETURN: return .ended
        case SSL_ERROR_SYSCALL:
            isBroken = true
            ERR_clear_error()
            return .failed(code == 0 ? .closed : .system(code))
        default:
            isBroken = true
            let verified = SSL_get_verify_result(session)
            if isHandshake, verified != Int(X509_V_OK), let words = X509_verify_cert_error_string(verified) {
                ERR_clear_error()
                return .failed(.tls(String(cString: words)))
            }
            return .failed(.tls(TLSError.last().description))
        }
    }
}

/// Why a connection is of no use any more.
enum TransportError: Error, Equatable, CustomStringConvertible {
    /// The system's number.
    case system(Int32)
    /// What OpenSSL says.
    case tls(String)
    /// The other side has closed where that was not yet its turn.
    case closed

    /// The reason, for people.
    var description: String {
        switch self {
        case .system(let code): String(cString: strerror(code))
        case .tls(let reason): reason
        case .closed: "the connection was closed"
        }
    }
}
