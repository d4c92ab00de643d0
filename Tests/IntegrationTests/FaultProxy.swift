import Foundation
import Glibc
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
    private let state = Mutex((fault: Fault.none, listener: Int32(-1)))

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
        } else if fault != .refuse, old == .refuse {
            listen()
        }
    }

    /// Takes no more connections.
    func close() {
        shutdown(state.withLock { $0.listener }, Int32(SHUT_RDWR))
    }

    private var fault: Fault { state.withLock { $0.fault } }

    private func listen() {
        // Its own port, which nobody else is given.
        guard let descriptor = LoopbackSocket.listen(port: port) else { return }
        state.withLock { $0.listener = descriptor }
        Thread { [self] in
            while true {
                let client = accept(descriptor, nil, nil)
                guard client >= 0 else {
                    Glibc.close(descriptor)
                    return
                }
                Thread { [self] in serve(client) }.start()
            }
        }.start()
    }

    private func serve(_ client: Int32) {
        defer { Glibc.close(client) }
        var received: [UInt8] = []
        while let request = HTTPBytes.readMessage(client, &received) {
            let now = fault
            switch now {
            case .none, .delay:
                if now == .delay { usleep(300_000) }
                guard let answer = forward(request), LoopbackSocket.send(answer, to: client) else { return }
            case .refuse, .reset:
                LoopbackSocket.resetWhenClosed(client)
                return
            case .stall:
                while fault == .stall { usleep(20_000) }
                return
            case .error500:
                guard LoopbackSocket.send(Array("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".utf8), to: client)
                else { return }
            case .busy503:
                let answer = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
                guard LoopbackSocket.send(Array(answer.utf8), to: client) else { return }
            case .half:
                _ = forward(request)
                _ = LoopbackSocket.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".utf8), to: client)
                return
            case .slow:
                _ = forward(request)
                for byte in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8 {
                    guard fault == .slow, LoopbackSocket.send([byte], to: client) else { return }
                    usleep(200_000)
                }
            }
        }
    }

    /// Carries a request out at the store, over a connection of its own.
    private func forward(_ request: [UInt8]) -> [UInt8]? {
        guard let descriptor = LoopbackSocket.connect(port: target) else { return nil }
        defer { Glibc.close(descriptor) }
        guard LoopbackSocket.send(request, to: descriptor) else { return nil }
        var received: [UInt8] = []
        return HTTPBytes.readMessage(descriptor, &received)
    }
}
