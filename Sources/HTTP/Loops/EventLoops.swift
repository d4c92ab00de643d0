import Glibc
import Locking

/// The loops that connections live on, inbound and outbound alike. May be used from any thread.
public final class EventLoops: Sendable {
    /// The process's own: as many as there are processors, 4 at most. Its threads begin when they are needed.
    public static let shared = EventLoops(count: min(4, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))

    package let all: [EventLoop]
    private let nextIndex = Atomic<Int>(0)

    /// So many loops, one at least.
    ///
    /// A write to a TLS session whose other side has gone raises SIGPIPE, which ends the process unless it is ignored: from here on it
    /// is.
    public init(count: Int) {
        _ = Self.ignoreBrokenPipes
        all = (0..<max(1, count)).map { EventLoop(name: "http-\($0)") }
    }

    deinit { shutDown() }

    /// One after the other.
    package func next() -> EventLoop {
        all[nextIndex.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % all.count]
    }

    /// The loop of the thread that asks, where it is one of these.
    package var current: EventLoop? { all.first { $0.isCurrent } }

    /// Ends the threads; what is still open is let go of. For tests, which end listeners and clients before.
    public func shutDown() {
        for loop in all { loop.shutDown() }
    }

    private static let ignoreBrokenPipes: Void = {
        signal(SIGPIPE, SIG_IGN)
    }()
}
