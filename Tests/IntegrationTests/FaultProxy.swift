import Foundation
import Locking
import TestSupport

/// A proxy in front of a store that behaves badly when it is told to. Its threads block, as such a small thing may.
final class FaultProxy: Sendable {
    enum Fault: String, CaseIterable, Sendable {
        /// Nothing is wrong.
        case none
        /// Nobody listens.
        case refuse
        /// The connection is reset once the request has come.
        case reset
        /// The request is taken, and nothing is ever said.
        case stall
        /// The answer comes late, but in time.
        case delay
        /// 500.
        case error500
        /// 503 with Retry-After.
        case busy503
        /// The request is carried out, and half of an answer sent.
        case half
        /// The request is carried out, and the answer sent byte by byte, slower than anybody waits.
        case slow
    }

    let port: Int
    private let target: Int
    private let state = Mutex((fault: Fault.none, listener: Int32(-1), isClosed: false))

    init(target: Int) throws {
        self.target = target
        port = try FreePort.find()
        listen()
    }

    var url: String { "http://127.0.0.1:\(port)" }

    func set(_ fault: Fault) {
        let (old, listener) = state.withLock { state in
            defer { state.fault = fault }
            return (state.fault, state.listener)
        }
        if fault == .refuse, old != .refuse {
            state.withLock { $0.listener = -1 }
            shutdown(listener, Int32(SHUT_RDWR))
            Foundation.close(listener)
        } else if fault != .refuse, old == .refuse {
            listen()
        }
    }

    func close() {
        let listener = state.withLock { state in
            state.isClosed = true
            return state.listener
        }
        shutdown(listener, Int32(SHUT_RDWR))
        Foundation.close(listener)
    }

    private var fault: Fault { state.withLock { $0.fault } }

    private func listen() {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        Foundation.listen(descriptor, 128)
        state.withLock { $0.listener = descriptor }
        Thread { [self] in
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else { return }
                Thread { [self] in serve(client) }.start()
            }
        }.start()
    }

    private func serve(_ client: Int32) {
        defer { Foundation.close(client) }
        while let request = Self.readMessage(client) {
            let now = fault
            switch now {
            case .none, .delay:
                if now == .delay { usleep(300_000) }
                guard let answer = forward(request), Self.send(answer, client) else { return }
            case .refuse, .reset:
                var linger = Foundation.linger(l_onoff: 1, l_linger: 0)
                setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Foundation.linger>.size))
                return
            case .stall:
                while fault == .stall { usleep(20_000) }
                return
            case .error500:
                guard Self.send(Array("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".utf8), client) else { return }
            case .busy503:
                let answer = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
                guard Self.send(Array(answer.utf8), client) else { return }
            case .half:
                _ = forward(request)
                _ = Self.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".utf8), client)
                return
            case .slow:
                _ = forward(request)
                for byte in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8 {
                    guard fault == .slow, Self.send([byte], client) else { return }
                    usleep(200_000)
                }
            }
        }
    }

    /// Carries a request out at the store, over a connection of its own.
    private func forward(_ request: [UInt8]) -> [UInt8]? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Foundation.close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(target).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0, Self.send(request, descriptor) else { return nil }
        return Self.readMessage(descriptor)
    }

    private static func send(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// A request or an answer, by its Content-Length; nil where the other side has closed.
    private static func readMessage(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var end: Int?
        while true {
            if end == nil, let head = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
                let lines = String(decoding: bytes[..<head.lowerBound], as: UTF8.self).lowercased().components(
                    separatedBy: "\r\n")
                let length = lines.first { $0.hasPrefix("content-length:") }?.dropFirst(15).trimmingCharacters(
                    in: .whitespaces)
                end = head.upperBound + (length.flatMap { Int($0) } ?? 0)
            }
            if let end, bytes.count >= end { return bytes }
            var buffer = [UInt8](repeating: 0, count: 8192)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }
}
