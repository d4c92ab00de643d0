import Foundation
import Glibc

/// A server on the loopback that answers with bytes by a script, whatever they are. It knows where a request ends by its
/// Content-Length. Its threads block, as such a small thing may.
package final class ScriptedServer: Sendable {
    /// What the server does about a request.
    package enum Action: Sendable {
        /// Sends text.
        case send(String)
        /// Sends text and closes the connection.
        case sendAndClose(String)
        /// Closes the connection.
        case close
        /// Resets the connection.
        case reset
        /// Sends nothing, and leaves the connection open.
        case nothing
    }

    /// A request as it came.
    package struct Request: Sendable {
        /// The number of its connection, from 1 in the order in which they came.
        package var connection: Int
        /// Its head and its body.
        package var text: String
    }

    private struct State {
        var requests: [Request] = []
        var connections = 0
        var open: Set<Int32> = []
        var isClosed = false
    }

    /// Where it listens.
    package let port: Int
    private let listener: Int32
    private let script: @Sendable (_ connection: Int, _ request: Int) -> Action
    private let state = Protected(State())

    /// Starts a server.
    ///
    /// - Parameter script: what is done about a request, by the number of its connection and its own number on that, both from 1.
    package init(_ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> Action) throws {
        guard let listener = LoopbackSocket.listen() else { throw POSIXError(.EADDRINUSE) }
        self.listener = listener
        self.script = script
        port = LoopbackSocket.port(of: listener)
        Thread { [self] in accept() }.start()
    }

    /// The requests that have come.
    package var requests: [Request] { state.with { $0.requests } }
    /// How many connections have come.
    package var connections: Int { state.with { $0.connections } }

    /// Closes its connections and takes no more. The server has to be closed, or its threads stay.
    package func close() {
        // A descriptor is shut down only while its thread has not closed it, so it is still the same connection.
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
            Thread { [self] in
                serve(descriptor, number)
                state.with { state in
                    state.open.remove(descriptor)
                    Glibc.close(descriptor)
                }
            }.start()
        }
    }

    private func serve(_ descriptor: Int32, _ connection: Int) {
        var received: [UInt8] = []
        var count = 0
        while let request = HTTPBytes.readMessage(descriptor, &received) {
            count += 1
            state.with {
                $0.requests.append(Request(connection: connection, text: String(decoding: request, as: UTF8.self)))
            }
            switch script(connection, count) {
            case .send(let text):
                guard LoopbackSocket.send(Array(text.utf8), to: descriptor) else { return }
            case .sendAndClose(let text):
                _ = LoopbackSocket.send(Array(text.utf8), to: descriptor)
                return
            case .reset:
                LoopbackSocket.resetWhenClosed(descriptor)
                return
            case .close: return
            case .nothing: break
            }
        }
    }
}

/// As much of HTTP as small servers and clients of tests need: where a message ends by its Content-Length.
package enum HTTPBytes {
    /// A message's head, once it is there.
    package struct Head: Sendable {
        /// The first line.
        package var line: String
        /// How many bytes the head has.
        package var count: Int
        /// How many bytes the body has.
        package var bodyCount: Int
    }

    /// The head of what begins with one.
    package static func head(of bytes: [UInt8]) -> Head? {
        var line: ArraySlice<UInt8>?
        var (start, length) = (0, 0)
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let next = bytes[start..<end].last == UInt8(ascii: "\r") ? bytes[start..<(end - 1)] : bytes[start..<end]
            guard let first = line else {
                (line, start) = (next, end + 1)
                continue
            }
            if next.isEmpty {
                return Head(line: String(decoding: first, as: UTF8.self), count: end + 1, bodyCount: length)
            }
            if next.count > name.count, zip(next, name).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) {
                length = next.dropFirst(name.count).reduce(0) { (48...57).contains($1) ? $0 * 10 + Int($1 - 48) : $0 }
            }
            start = end + 1
        }
        return nil
    }

    private static let name = Array("content-length:".utf8)

    /// Reads a request or an answer; nil where the other side has closed.
    ///
    /// - Parameter received: what was read already; afterwards what came behind the message.
    package static func readMessage(_ descriptor: Int32, _ received: inout [UInt8]) -> [UInt8]? {
        var head = head(of: received)
        while true {
            if let head, received.count >= head.count + head.bodyCount {
                defer { received.removeFirst(head.count + head.bodyCount) }
                return Array(received[..<(head.count + head.bodyCount)])
            }
            var buffer = [UInt8](repeating: 0, count: 16_384)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            received += buffer[..<count]
            if head == nil { head = Self.head(of: received) }
        }
    }
}
