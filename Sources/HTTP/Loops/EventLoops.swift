import Glibc
import Locking

/// The event loops for inbound and outbound connections. Thread-safe.
public final class EventLoops: Sendable {
    /// The process's event loops: one per processor, at most 4. Their threads start on demand.
    public static let shared = EventLoops(count: min(4, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))

    package let all: [EventLoop]
    private let nextIndex = Atomic<Int>(0)

    /// Makes event loops, at least one.
    ///
    /// Ignores SIGPIPE, which a write to a closed TLS session raises and which would end the process.
    public init(count: Int) {
        _ = Self.ignoreBrokenPipes
        all = (0..<max(1, count)).map { EventLoop(name: "http-\($0)") }
    }

    deinit { shutDown() }

    /// Returns the event loops in rotation.
    package func next() -> EventLoop {
        all[nextIndex.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % all.count]
    }

    /// The current thread's event loop, if it is one of these.
    package var current: EventLoop? { all.first { $0.isCurrent } }

    /// Ends the threads and releases everything open. For tests, which stop listeners and clients before.
    public func shutDown() {
        for loop in all { loop.shutDown() }
    }

    private static let ignoreBrokenPipes: Void = {
        signal(SIGPIPE, SIG_IGN)
    }()
}
