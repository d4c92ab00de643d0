import Dispatch
import Locking
import Telemetry
import Wire

/// Feeds messages from a spool into a pipeline in the order of their numbers. A message that was just stored is fed
/// from memory if all before it were fed and a credit is free. Otherwise it is read from disk later, so that memory
/// stays bounded. Thread-safe.
final class SpoolFeeder: Sendable {
    private struct State {
        /// The newest number on disk.
        var stored: Int64 = 0
        /// The newest number that was fed.
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

    /// - Parameter feed: dispatches a message for which a credit is held.
    init(
        spool: any MessageSpool, creditPool: CreditPool, logger: Logger,
        feed: @escaping @Sendable (SpooledMessage) -> Void
    ) {
        self.spool = spool
        self.creditPool = creditPool
        self.logger = logger
        self.feed = feed
    }

    /// Whether feeding has stopped.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Starts with the messages of the last process.
    func start(newest: Int64) {
        state.withLock { $0.stored = newest }
        readIfNeeded()
    }

    /// Feeds a message that was stored, or schedules reading it. Called in the order of the numbers.
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

    /// Stops feeding. Messages that were not fed stay in the spool.
    func close() {
        let callbacks = state.withLock { state in
            state.isClosed = true
            defer { state.onDrained = [] }
            return state.onDrained
        }
        for callback in callbacks { callback() }
    }

    /// Returns when all messages on disk were fed, or when the feeder is closed.
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
                // Everything up to this number is on disk. If nothing is found, all of it was removed before.
                let newest = state.withLock { $0.stored }
                let messages = try await spool.read(after: after, limit: Self.batch)
                for message in messages {
                    guard await creditPool.acquire() else { return close() }
                    state.withLock { $0.lastFed = message.number }
                    feed(message)
                }
                if messages.isEmpty { state.withLock { $0.lastFed = newest } }
            } catch {
                logger.error("the spool cannot be read; retrying", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.failureDelay)
            }
        }
    }

    /// Returns the number to continue reading after. Returns nil, and ends reading, if there is nothing to read.
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
