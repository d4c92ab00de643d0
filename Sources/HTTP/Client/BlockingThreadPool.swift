import CHecateLinux
import Glibc
import Locking

/// Runs blocking work on a few threads, which are started on demand and end when idle. Thread-safe.
package final class BlockingThreadPool: Sendable {
    /// The process's pool.
    package static let shared = BlockingThreadPool(threads: 8)

    private struct State {
        var work: Deque<@Sendable () -> Void> = []
        var threads = 0
    }

    private let maximumThreads: Int
    private let state = Mutex(State())

    /// Makes a pool with at most `threads` threads.
    package init(threads: Int) { maximumThreads = max(1, threads) }

    /// Runs work in the order of submission.
    package func submit(_ work: @escaping @Sendable () -> Void) {
        let isThreadMissing = state.withLock { state in
            state.work.append(work)
            guard state.threads < maximumThreads else { return false }
            state.threads += 1
            return true
        }
        // If no thread can be started, the caller runs the work: late is better than never.
        if isThreadMissing, !start() { run() }
    }

    private func start() -> Bool {
        // Signals are handled by other threads.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let retained = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, &attributes,
            { pointer in
                if let pointer { Unmanaged<BlockingThreadPool>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, retained.toOpaque())
        if status != 0 { retained.release() }
        return status == 0
    }

    private func run() {
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        state.withLock { state in
            if state.work.isEmpty { state.threads -= 1 }
            return state.work.popFirst()
        }
    }
}
