import CHecateSSL
import Foundation
import TestSupport
import Testing

@testable import HTTP

/// A server that does with each connection what a test says, byte for byte. Its threads block, as such a small thing may.
final class RawServer: Sendable {
    /// Where it listens.
    enum Place: Sendable {
        case address(String)
        case unix(String)
    }

    /// The certificates of a server with TLS.
    struct TLS: Sendable {
        var certificate: TestCertificate
        /// Who signs certificates of clients, which are demanded then.
        var clientCA: TestCertificate?
        var lowest = TLS1_2_VERSION
        var highest = TLS1_3_VERSION

        init(_ certificate: TestCertificate) { self.certificate = certificate }
    }

    private struct State {
        var connections = 0
        var open: Set<Int32> = []
        var isClosed = false
    }

    /// The port; 0 for a Unix domain socket.
    let port: Int
    private let listener: Int32
    private let context: ServerContext?
    private let handler: @Sendable (RawPeer) -> Void
    private let state = Protected(State())

    init(
        at place: Place = .address("127.0.0.1"), port: Int = 0, tls: TLS? = nil,
        _ handler: @escaping @Sendable (RawPeer) -> Void
    ) throws {
        let address =
            switch place {
            case .address(let text): try #require(SocketAddress(numeric: text, port: port))
            case .unix(let path): try #require(SocketAddress(unixPath: path))
            }
        let listener = socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        // So that a client cannot send much more than is read.
        var size: Int32 = 65_536
        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, 4)
        try #require(address.withPointer { bind(listener, $0, $1) } == 0, "errno \(errno)")
        try #require(Glibc.listen(listener, 1024) == 0)
        self.port = address.family == AF_UNIX ? 0 : LoopbackSocket.port(of: listener)
        self.listener = listener
        self.handler = handler
        context = try tls.map { try ServerContext($0) }
        Thread { [self] in accept() }.start()
    }

    /// How many connections have come.
    var connections: Int { state.with { $0.connections } }
    /// How many of them are open.
    var openConnections: Int { state.with { $0.open.count } }

    /// Ends its connections and takes no more. The server has to be closed, or its threads stay.
    func close() {
        state.with { state in
            state.isClosed = true
            for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func accept() {
        defer { Glibc.close(listener) }
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            let number = state.with { state -> Int? in
                guard !state.isClosed else { return nil }
                state.open.insert(descriptor)
                state.connections += 1
                return state.connections
            }
            guard let number else {
                Glibc.close(descriptor)
                return
            }
            // What was sent before a reset is to be there before it.
            var yes: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
            Thread { [self] in
                if let peer = RawPeer(descriptor, number, context) {
                    handler(peer)
                    peer.end()
                }
                state.with { state in
                    state.open.remove(descriptor)
                    Glibc.close(descriptor)
                }
            }.start()
        }
    }
}

/// The other end of one connection. On its thread only.
final class RawPeer {
    /// A request as it came.
    struct Request {
        var head: String
        var body: [UInt8]
        var line: String { String(head.prefix { $0 != "\r\n" }) }
    }

    /// The number of the connection, from 1.
    let number: Int
    /// The name that the client asked for in TLS.
    private(set) var serverName: String?
    private let descriptor: Int32
    private var session: OpaquePointer?
    private var received: [UInt8] = []

    /// nil where the handshake fails.
    fileprivate init?(_ descriptor: Int32, _ number: Int, _ context: ServerContext?) {
        (self.descriptor, self.number) = (descriptor, number)
        guard let context else { return }
        session = SSL_new(context.pointer)
        SSL_set_fd(session, descriptor)
        guard SSL_accept(session) == 1 else { return nil }
        serverName = SSL_get_servername(session, 0).map { String(cString: $0) }
    }

    deinit { SSL_free(session) }

    /// More bytes; none where the client has closed.
    func more(_ count: Int = 65_536) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let read = session.map { Int(SSL_read($0, &buffer, Int32(count))) } ?? recv(descriptor, &buffer, count, 0)
        return Array(buffer.prefix(max(0, read)))
    }

    /// The head of the next request; nil where the client has closed.
    func head() -> String? {
        while true {
            if let end = received.firstRange(of: Array("\r\n\r\n".utf8)) {
                defer { received.removeFirst(end.upperBound) }
                return String(decoding: received[..<end.upperBound], as: UTF8.self)
            }
            let next = more()
            guard !next.isEmpty else { return nil }
            received += next
        }
    }

    /// As many bytes of a body; fewer where the client has closed.
    func body(_ count: Int) -> [UInt8] {
        while received.count < count {
            let next = more()
            if next.isEmpty { break }
            received += next
        }
        defer { received.removeFirst(min(count, received.count)) }
        return Array(received.prefix(count))
    }

    /// The next request; nil where the client has closed.
    func next() -> Request? {
        guard let head = head() else { return nil }
        return Request(head: head, body: body(Self.length(head)))
    }

    /// The Content-Length of a head.
    static func length(_ head: String) -> Int {
        for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
            return Int(line.dropFirst(15).trimmingCharacters(in: .whitespaces)) ?? 0
        }
        return 0
    }

    /// Sends all of it; whether it was taken.
    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        guard let session else { return LoopbackSocket.send(bytes, to: descriptor) }
        return bytes.isEmpty || SSL_write(session, bytes, Int32(bytes.count)) == bytes.count
    }

    /// Sends a ticket for a new session, with TLS 1.3.
    func sendTicket() {
        guard SSL_version(session) == TLS1_3_VERSION else { return }
        SSL_new_session_ticket(session)
        SSL_do_handshake(session)
    }

    /// Sends bytes past TLS.
    func sendPlainly(_ bytes: [UInt8]) { _ = LoopbackSocket.send(bytes, to: descriptor) }

    /// Sends an answer with a length.
    @discardableResult
    func reply(_ status: Int = 200, _ body: String = "ok", _ fields: String = "") -> Bool {
        send("HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
    }

    /// Ends its side; with TLS without a word of that.
    func finishSocket() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Has the connection reset when the handler returns.
    func reset() { LoopbackSocket.resetWhenClosed(descriptor) }

    /// Reads until the client closes.
    func waitForClose() { while !more().isEmpty {} }

    fileprivate func end() { if let session { SSL_shutdown(session) } }

    /// Will end without telling TLS.
    func endQuietly() { SSL_set_quiet_shutdown(session, 1) }
}

/// `@unchecked Sendable`: OpenSSL counts the uses of a context itself; nothing is changed in it after `init`.
private final class ServerContext: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ tls: RawServer.TLS) throws {
        pointer = try #require(SSL_CTX_new(TLS_server_method()))
        let folder = try FileFolder(["certificate": tls.certificate.pem, "key": tls.certificate.key.pem])
        SSL_CTX_set_security_level(pointer, 0)
        SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(tls.lowest), nil)
        SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(tls.highest), nil)
        try #require(SSL_CTX_use_certificate_chain_file(pointer, "\(folder.path)/certificate") == 1)
        try #require(SSL_CTX_use_PrivateKey_file(pointer, "\(folder.path)/key", SSL_FILETYPE_PEM) == 1)
        if let ca = tls.clientCA {
            try folder.write("ca", ca.pem)
            try #require(SSL_CTX_load_verify_file(pointer, "\(folder.path)/ca") == 1)
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
    }

    deinit { SSL_CTX_free(pointer) }
}
