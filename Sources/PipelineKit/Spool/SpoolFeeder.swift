import Dispatch
import Locking
import Telemetry
import Wire

/// Carries messages from a spool into a pipeline, in the order of their numbers. One that was stored just now goes on from memory
/// when all before it have gone on and there is room; otherwise it is read again when its turn comes, so that memory stays
/// bounded however many wait. May be used from any thread.
final class SpoolFeeder: Sendable {
    private struct State {
        /// The newest number on the disk.
        var stored: Int64 = 0
        /// The newest number that has gone on.
        var lastFed: Int64 = 0
        var isReading = false
        var isClosed = false
        var onDrained: [@Sendable () -> Void] = []
    }

    private static let batch = 64
    private static let failureDelay = Duration.seconds(1)

    private let spool: any MessageSpool
    private let creditPool: CreditPool
    private let logger: Logger
    private let feed: @Sendable (SpooledMessage) -> Void
    private let state = Mutex(State())

    /// - Parameter feed: carries a message on; a credit is held for it.
    init(
        spool: any MessageSpool, creditPool: CreditPool, logger: Logger,
        feed: @escaping @Sendable (SpooledMessage) -> Void
    ) {
        self.spool = spool
        self.creditPool = creditPool
        self.logger = logger
        self.feed = feed
    }

    /// Whether nothing is carried on any more.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Begins with what a former process left.
    func start(newest: Int64) {
        state.withLock { $0.stored = newest }
        readIfNeeded()
    }

    /// A message is on the disk. Called in the order of the numbers.
    func stored(_ message: SpooledMessage) {
        let feedsDirectly = state.withLock { state in
            let isNext = state.lastFed == state.stored && !state.isReading && !state.isClosed
            state.stored = message.number
            guard isNext, creditPool.tryAcquire() > 0 else { return false }
            state.lastFed = message.number
            return true
        }
        if feedsDirectly { feed(message) } else { readIfNeeded() }
    }

    /// Carries nothing more on. What has not gone on stays in the spool.
    func close() {
        let callbacks = state.withLock { state in
            state.isClosed = true
            defer { state.onDrained = [] }
            return state.onDrained
        }
        for callback in callbacks { callback() }
    }

    /// Returns when everything on the disk has gone on, or when it is closed.
    func waitUntilDrained() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.isClosed || (state.lastFed == state.stored && !state.isReading) { return true }
                state.onDrained.append { continuation.resume() }
                return false
            }
            if isDone { continuation.resume() }
        }
    }

    private func readIfNeeded() {
        let shouldRead = state.withLock { state in
            guard !state.isReading, !state.isClosed, state.lastFed < state.stored else { return false }
            state.isReading = true
            return true
        }
        if shouldRead { Task { await readLoop() } }
    }

    private func readLoop() async {
        while let after = next() {
            do {
                // Up to here everything is on the disk, so where nothing is found there is nothing: it was taken out before.
                let newest = state.withLock { $0.stored }
                let messages = try await spool.read(after: after, limit: Self.batch)
                for message in messages {
                    guard await creditPool.acquire() else { return close() }
                    state.withLock { $0.lastFed = message.number }
                    feed(message)
                }
                if messages.isEmpty { state.withLock { $0.lastFed = newest } }
            } catch {
                logger.error("the spool cannot be read; it is tried again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.failureDelay)
            }
        }
    }

    /// The number to read on after; nil where there is nothing more to read, and the reading has ended with it.
    private func next() -> Int64? {
        let (after, callbacks): (Int64?, [@Sendable () -> Void]) = state.withLock { state in
            if state.lastFed < state.stored, !state.isClosed { return (state.lastFed, []) }
            state.isReading = false
            defer { state.onDrained = [] }
            return (nil, state.onDrained)
        }
        for callback in callbacks { callback() }
        return after
    }
}
