import CHecateSSL
import Glibc

/// A non-blocking socket, with or without TLS. Used by one connection on one event loop.
final class Transport {
    /// The result of an operation.
    enum Outcome: Equatable {
        /// This many bytes, at least one.
        case bytes(Int)
        /// Try again when the socket is readable.
        case wantsRead
        /// Not now: again when the socket can be written.
        case wantsWrite
        /// The other side will send nothing more, and said so.
        case ended
        /// The connection cannot be used any more.
        case failed(TransportError)
    }

    /// The result of a handshake step.
    enum Handshake: Equatable {
        case done
        case wantsRead
        case wantsWrite
        case failed(TransportError)
    }

    /// The socket; -1 when closed.
    private(set) var descriptor: Int32
    private var session: OpaquePointer?
    /// Whether the session has failed: nothing may be sent through it, not even a close notification.
    private var isBroken = false

    /// Makes a connection without TLS, which owns the descriptor.
    init(descriptor: Int32) {
        self.descriptor = descriptor
        session = nil
    }

    /// Makes a connection with a TLS session before its handshake. Owns both.
    init(descriptor: Int32, session: OpaquePointer) {
        self.descriptor = descriptor
        self.session = session
        SSL_set_fd(session, descriptor)
    }

    deinit { close() }

    /// Whether the connection uses TLS.
    var isSecure: Bool { session != nil }

    /// Whether data is buffered that the system does not report: call `read` instead of waiting.
    var hasPending: Bool {
        guard let session else { return false }
        return SSL_has_pending(session) == 1
    }

    /// Continues the handshake; returns `done` at once without TLS.
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

    /// Reads what is available into the buffer; with TLS, several records.
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
                // Returns the data first; the end or error occurs again in the next call.
                guard total == 0 else { break }
                return outcome(session, count, isHandshake: false)
            }
            total += Int(count)
            guard SSL_has_pending(session) == 1 else { break }
        }
        return .bytes(total)
    }

    /// Writes as much as possible.
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

    /// Reads and discards data without decrypting it, for a connection after its last response.
    func discard(_ buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .ended }
        return errno == EAGAIN || errno == EINTR ? .wantsRead : .failed(.system(errno))
    }

    /// Shuts the sending side down.
    func finishWriting() {
        sendCloseNotify()
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Closes the connection, with a TLS close notification if that does not block. May be called again.
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

/// Why a connection cannot be used any more.
enum TransportError: Error, Equatable, CustomStringConvertible {
    /// A system error.
    case system(Int32)
    /// An OpenSSL error.
    case tls(String)
    /// The peer closed the connection prematurely.
    case closed

    var description: String {
        switch self {
        case .system(let code): String(cString: strerror(code))
        case .tls(let reason): reason
        case .closed: "the connection was closed"
        }
    }
}
