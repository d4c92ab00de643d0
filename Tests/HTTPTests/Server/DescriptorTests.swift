import Glibc
import HTTP
import Testing

/// A process without descriptors, which has to be one of its own.
@Suite struct DescriptorTests {
    @Test func withoutDescriptorsConnectionsWaitAndNothingSpins() async throws {
        await #expect(processExitsWith: .success) {
            try await Listening.with(echo) { served in
                let early = try Peer(port: served.port)
                try await early.send("GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try await early.answer()
                let filling = Filling()
                // One descriptor for the client; none is left for the listener's side of the connection.
                filling.giveBackOne()
                let waiting = try Peer(port: served.port)
                try await waiting.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
                let before = clock()
                try await Task.sleep(for: .milliseconds(500))
                let used = Double(clock() - before) / Double(CLOCKS_PER_SEC)
                try #require(used < 0.25, "\(used) s of processor while nothing can be done")
                try #require(waiting.poll() && waiting.received.isEmpty)
                // Those that are there go on.
                try await early.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try await early.answer()
                filling.giveBackAll()
                let answer = try await waiting.answer()
                try #require(answer.text == "GET /late \n")
            }
        }
    }

    /// Descriptors that take all the room there is.
    private final class Filling: Sendable {
        private let taken = Taken()

        /// `@unchecked Sendable`: used by one task at a time.
        private final class Taken: @unchecked Sendable { var descriptors: [Int32] = [] }

        init() {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = min(limit.rlim_cur, 200)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            while true {
                let descriptor = dup(0)
                guard descriptor >= 0 else { break }
                taken.descriptors.append(descriptor)
            }
        }

        func giveBackOne() { if let last = taken.descriptors.popLast() { close(last) } }

        func giveBackAll() { while !taken.descriptors.isEmpty { giveBackOne() } }
    }
}
