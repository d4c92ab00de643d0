import Foundation
import Glibc

/// A TCP connection on the loopback, to send what no well-behaved client would.
package final class RawConnection: Sendable {
    private let descriptor: Int32

    package init(port: Int) throws {
        guard let descriptor = LoopbackSocket.connect(port: port) else { throw POSIXError(.ECONNREFUSED) }
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit { close(descriptor) }

    /// Sends text as far as the other side takes it.
    package func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    /// Sends bytes as far as the other side takes them.
    package func send(_ bytes: [UInt8]) throws {
        let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count < 0, errno != EAGAIN { throw POSIXError(.EPIPE) }
    }

    /// Says that no more will be sent.
    package func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What comes until a text is among it, the other side closes, or some minutes have passed.
    package func read(until text: String) async throws -> String {
        var all: [UInt8] = []
        let deadline = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < deadline {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 {
                all += buffer[..<count]
                if String(decoding: all, as: UTF8.self).contains(text) { break }
            } else if count == 0 || errno != EAGAIN {
                break
            } else {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// Whether the other side closes the connection within some minutes, while something is done again and again.
    package func isClosed(_ whileWaiting: () -> Void) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < deadline {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 || (count < 0 && errno != EAGAIN) { return true }
            whileWaiting()
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }
}
