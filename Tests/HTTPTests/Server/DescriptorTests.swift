import Glibc
import HTTP
import Testing

/// A process that is short of descriptors, which has to be one of its own. Some are left: Dispatch ends a process where it has none to
/// look at its threads with.
@Suite struct DescriptorTests {
    @Test func withoutDescriptorsConnectionsWaitAndNothingSpins() async throws {
        await #expect(processExitsWith: .success) {
            try await Listening.with(echo) { served in
                let filling = Filling()
                filling.take(upTo: 100)
                let early = try Peer(port: served.port)
                try await early.send("GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try await early.answer()
                // What is left is not for the listener's side of connections.
                filling.take(upTo: 180)
                // It may have looked at them before they were taken, and accept one connection more.
                let first = try Peer(port: served.port)
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
                try await first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
                try #require(try await first.answer().text == "GET /first \n")
            }
        }
    }

    /// Descriptors that take up room.
    private final class Filling: Sendable {
        private let taken = Taken()

        /// `@unchecked Sendable`: used by one task at a time.
        private final class Taken: @unchecked Sendable { var descriptors: [Int32] = [] }

        /// A process may have 200 descriptors from now on.
        init() {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = min(limit.rlim_cur, 200)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }

        /// Takes all numbers below one. The system gives out the lowest that is free.
        func take(upTo number: Int32) {
            while true {
                let descriptor = dup(0)
                guard descriptor >= 0 else { return }
                guard descriptor < number else {
                    close(descriptor)
                    return
                }
                taken.descriptors.append(descriptor)
            }
        }

        func giveBackAll() {
            for descriptor in taken.descriptors { close(descriptor) }
            taken.descriptors = []
        }
    }
}
