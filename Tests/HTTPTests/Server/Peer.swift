import Glibc
import TestSupport

@testable import HTTP

/// The other side of a listener's connection, written and read by hand, with TLS or without. Nothing blocks a thread for long: the
/// listener's handlers may need it.
///
/// `@unchecked Sendable`: used by one task at a time.
final class Peer: @unchecked Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    private let transport: Transport
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 1)
    /// What has come and was not taken yet.
    private(set) var received: [UInt8] = []

    /// Connects to a port of the loopback; with TLS the handshake is still to come.
    init(port: Int, tls: Bool = false, receiveBuffer: Int32? = nil) throws {
        guard let descriptor = LoopbackSocket.connect(port: port) else { throw Failure(description: "not connected") }
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        transport = try Self.transport(descriptor, tls)
    }

    /// Connects to a Unix domain socket.
    init(unixPath: String) throws {
        guard let address = SocketAddress(unixPath: unixPath) else {
            throw Failure(description: "the path is too long")
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard address.withPointer({ connect(descriptor, $0, $1) }) == 0 else {
            Glibc.close(descriptor)
            throw Failure(description: "not connected")
        }
        transport = try Self.transport(descriptor, false)
    }

    deinit { buffer.deallocate() }

    private static func transport(_ descriptor: Int32, _ tls: Bool) throws -> Transport {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard tls else { return Transport(descriptor: descriptor) }
        guard let session = try trustingAll.get().connectingSession() else { throw Failure(description: "no session") }
        return Transport(descriptor: descriptor, session: session)
    }

    private static let trustingAll = Result { () throws(TLSError) in try TLSContext.trustingAll() }

    /// Does something until it gives a value, for as long as a busy machine may need.
    @discardableResult
    private func until<Value>(_ what: String, _ step: () throws -> Value?) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(120)
        while true {
            if let value = try step() { return value }
            guard ContinuousClock.now < deadline else { throw Failure(description: "\(what) takes too long") }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Agrees on TLS.
    func handshake() async throws {
        try await until("the handshake") {
            switch transport.handshake() {
            case .done: return true
            case .wantsRead, .wantsWrite: return nil
            case .failed(let error): throw Failure(description: "\(error)")
            }
        }
    }

    /// Sends all of a text.
    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Sends all of it.
    func send(_ bytes: [UInt8]) async throws {
        var sent = 0
        while sent < bytes.count { sent += try await until("sending") { try sendSome(bytes[sent...]) } }
    }

    /// Sends as much as is taken now; nil for nothing.
    private func sendSome(_ bytes: ArraySlice<UInt8>) throws -> Int? {
        switch bytes.withUnsafeBytes({ transport.write($0) }) {
        case .bytes(let count): return count
        case .wantsRead, .wantsWrite: return nil
        case .ended: throw Failure(description: "closed")
        case .failed(let error): throw Failure(description: "\(error)")
        }
    }

    /// Whether one byte is still taken; what the other side says about it comes later.
    func trySend(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return (try? sendSome(bytes[...])) != nil
    }

    /// Reads what has come; false where the other side has closed or reset the connection.
    @discardableResult
    func poll() -> Bool {
        while true {
            switch transport.read(into: buffer) {
            case .bytes(let count): received += buffer[..<count]
            case .wantsRead, .wantsWrite: return true
            case .ended, .failed: return false
            }
        }
    }

    /// Everything that comes until the other side closes; `whileWaiting` is called again and again.
    func readToEnd(_ whileWaiting: () -> Void = {}) async throws -> String {
        try await until("the end") {
            whileWaiting()
            return poll() ? nil : true
        }
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// Whether the other side closes.
    func isClosed(_ whileWaiting: () -> Void = {}) async throws -> Bool {
        _ = try await readToEnd(whileWaiting)
        return true
    }

    struct Answer {
        var status: Int
        var head: String
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }

        func header(_ name: String) -> String? {
            for line in head.split(separator: "\r\n").dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts[0].lowercased() == name.lowercased() { return String(parts.last ?? "").trimmed }
            }
            return nil
        }
    }

    /// The next answer, its body by its length or its chunks; what lies behind it stays.
    func answer(toHead isHead: Bool = false) async throws -> Answer {
        var answer = try await head()
        guard !isHead, answer.status != 204, answer.status != 304, answer.status != 100 else { return answer }
        if answer.header("Transfer-Encoding") == "chunked" {
            while true {
                let line = try await take(through: "\r\n")
                // CRLF is one character.
                guard let size = Int(line.dropLast(), radix: 16) else {
                    throw Failure(description: "no chunk: \(line)")
                }
                answer.body += try await take(size)
                let end = try await take(2)
                guard end == [13, 10] else { throw Failure(description: "a chunk without an end") }
                if size == 0 { return answer }
            }
        }
        guard let length = answer.header("Content-Length").flatMap({ Int($0) }) else {
            throw Failure(description: "no length: \(answer.head)")
        }
        answer.body = try await take(length)
        return answer
    }

    /// The head of the next answer.
    func head() async throws -> Answer {
        let head = try await take(through: "\r\n\r\n")
        let words = head.split(separator: " ", maxSplits: 2)
        guard words.count > 1, let status = Int(words[1]) else { throw Failure(description: "no answer: \(head)") }
        return Answer(status: status, head: head, body: [])
    }

    private func take(through text: String) async throws -> String {
        let wanted = Array(text.utf8)
        let count = try await until("'\(text)' (so far: \(String(decoding: received.prefix(200), as: UTF8.self)))") {
            let isOpen = poll()
            if let place = received.firstRange(of: wanted) { return place.upperBound }
            guard isOpen else {
                throw Failure(description: "closed after \(String(decoding: received, as: UTF8.self))")
            }
            return nil as Int?
        }
        return String(decoding: try await take(count), as: UTF8.self)
    }

    /// So many bytes.
    func take(_ count: Int) async throws -> [UInt8] {
        try await until("\(count) bytes") {
            if received.count >= count { return true }
            guard poll() || received.count >= count else { throw Failure(description: "closed before \(count) bytes") }
            return received.count >= count ? true : nil
        }
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    /// Says that no more will be sent.
    func finish() { transport.finishWriting() }

    /// Says so below TLS, without a word of it.
    func finishBelow() { shutdown(transport.descriptor, Int32(SHUT_WR)) }

    /// Goes without a word, and has what is on its way refused.
    func reset() {
        LoopbackSocket.resetWhenClosed(transport.descriptor)
        transport.close()
    }

    func close() { transport.close() }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " || $0 == "\r\n" }.reversed())
    }
}

extension TLSContext {
    /// A client that asks nobody for a certificate.
    fileprivate static func trustingAll() throws(TLSError) -> TLSContext {
        let context = try client()
        context.verifyNobody()
        return context
    }
}
