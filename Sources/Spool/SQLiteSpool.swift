import Database
import Dispatch
import Locking
public import PipelineKit
public import Telemetry
public import Wire

/// A durable queue in one SQLite file. What arrives while a transaction is under way goes into the next one together: many
/// messages, one fsync. May be used from any thread; the file is touched on one queue only.
public final class SQLiteSpool: MessageSpool {
    /// How a spool is kept.
    public struct Settings: Sendable {
        /// The file.
        public var path: String
        /// The most bytes that may wait.
        public var maxBytes: Int
        /// Whether a message counts as stored only when the disk says so (`full`), or when the operating system does.
        public var isFullSync: Bool
        /// How long the id of a message is remembered, so that it is not stored again.
        public var duplicateWindow: Duration
        /// SQLite's own limit of the file, in pages, for tests of a full disk.
        var maxPages: Int?

        /// Settings.
        public init(
            path: String, maxBytes: Int = 1 << 30, isFullSync: Bool = true, duplicateWindow: Duration = .seconds(900)
        ) {
            self.path = path
            self.maxBytes = maxBytes
            self.isFullSync = isFullSync
            self.duplicateWindow = duplicateWindow
        }
    }

    private typealias Done = @Sendable (_ index: Int, SpoolResult) -> Void

    private struct Pending {
        var appends: [(messages: [Message], done: Done)] = []
        var removals: [Int64] = []
        var isScheduled = false
    }

    /// What belongs to the queue.
    private struct State {
        var connection: Connection?
        var lock: ProcessLock?
        var newest: Int64 = 0
        var count = 0
        var bytes = 0
        var sizes: [Int64: Int] = [:]
        var recent = RecentIDs()
    }

    /// What a message takes beside its payload, roughly: its other columns and its place in the tree.
    private static let overhead = 256
    /// How long removals wait for company: they need no haste.
    private static let removalDelay = DispatchTimeInterval.milliseconds(20)

    private let settings: Settings
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private let queue: DispatchQueue
    private let pending = Mutex(Pending())
    private let state = Mutex(State())
    private let messages: Gauge
    private let size: Gauge
    private let setAside: Counter

    /// A spool that is not open yet.
    public init(
        _ settings: Settings, pipeline: String, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory,
        now: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        self.settings = settings
        self.logger = logger
        self.now = now
        queue = DispatchQueue(label: "hecate.\(pipeline).spool")
        let dimensions = [("pipeline", pipeline)]
        messages = Gauge(label: "xmidt_hecate_spool_messages", dimensions: dimensions, factory: metrics)
        size = Gauge(label: "xmidt_hecate_spool_bytes", dimensions: dimensions, factory: metrics)
        setAside = Counter(label: "xmidt_hecate_spool_set_aside_total", dimensions: dimensions, factory: metrics)
    }

    /// Opens the file, alone. A file that is corrupted is set aside under another name, and a new one begun.
    ///
    /// - Throws: `SpoolError` where another process has it, or it cannot be written.
    public func open() async throws -> Int64 {
        try await onQueue { [self] in
            let lock = try ProcessLock(path: settings.path + ".lock")
            do {
                try openFile()
            } catch  where Self.isCorruption(error) {
                try replaceCorruptedFile(error)
            } catch {
                lock.release()
                throw SpoolError("the spool '\(settings.path)' cannot be opened: \(error)")
            }
            return state.withLock { state in
                state.lock = lock
                recordGauges(state)
                if state.count > 0 {
                    logger.notice("messages are left from before and go first", metadata: ["count": "\(state.count)"])
                }
                return state.newest
            }
        }
    }

    /// Writes messages, together with others that come at the same time.
    public func append(_ messages: [Message], done: @escaping @Sendable (_ index: Int, SpoolResult) -> Void) {
        schedule { $0.appends.append((messages, done)) }
    }

    /// Reads the oldest messages after a number.
    public func read(after number: Int64, limit: Int) async throws -> [SpooledMessage] {
        try await onQueue { [self] in
            guard let connection = state.withLock({ $0.connection }) else { throw SpoolError("the spool is closed") }
            return try connection.rows(
                "SELECT number, \(MessageRow.columns) FROM message WHERE number > ? ORDER BY number LIMIT ?",
                [.integer(number), .integer(Int64(limit))]
            ) { SpooledMessage(number: $0.integer(0), message: try MessageRow.message($0, first: 1)) }
        }
    }

    /// Takes a message out, together with others.
    public func remove(_ number: Int64) {
        schedule(after: Self.removalDelay) { $0.removals.append(number) }
    }

    /// Writes what is left to be written and closes the file.
    public func close() async {
        // The closure does not throw.
        try? await onQueue { [self] in
            commit()
            let lock: ProcessLock? = state.withLock { state in
                state.connection?.close()
                defer { (state.connection, state.lock) = (nil, nil) }
                return state.lock
            }
            lock?.release()
        }
    }

    // MARK: - Opening

    private struct CorruptedFile: Error, CustomStringConvertible {
        let description: String
    }

    private static func isCorruption(_ error: any Error) -> Bool {
        (error as? DatabaseError)?.isCorruption ?? (error is CorruptedFile)
    }

    private func openFile() throws {
        let connection = try Connection(
            path: settings.path, synchronous: settings.isFullSync ? .full : .normal, busyTimeout: SpoolFile.busyTimeout,
            queue: queue)
        do {
            try prepare(connection)
        } catch {
            connection.close()
            throw error
        }
    }

    private func prepare(_ connection: Connection) throws {
        if let maxPages = settings.maxPages { try connection.execute(script: "PRAGMA max_page_count = \(maxPages)") }
        let check = try connection.first("PRAGMA quick_check(1)") { $0.text(0) }
        guard check == "ok" else { throw CorruptedFile(description: check ?? "no answer to quick_check") }
        // AUTOINCREMENT: the number of a message that was taken out is never given again.
        try connection.transaction {
            try connection.execute(
                script: """
                    CREATE TABLE IF NOT EXISTS message (
                        number INTEGER PRIMARY KEY AUTOINCREMENT, \(MessageRow.definition)
                    )
                    """)
        }
        var opened = State()
        opened.connection = connection
        opened.newest =
            try connection.first("SELECT seq FROM sqlite_sequence WHERE name = 'message'") { $0.integer(0) } ?? 0
        try connection.forEach("SELECT number, id, length(payload) AS size FROM message ORDER BY number") { row in
            let size = Int(row.integer(2)) + Self.overhead
            opened.sizes[row.integer(0)] = size
            opened.count += 1
            opened.bytes += size
            opened.recent.insert(row.text(1), at: now(), window: settings.duplicateWindow)
        }
        state.withLock { $0 = opened }
    }

    private func replaceCorruptedFile(_ error: any Error) throws {
        let name: String
        do {
            name = try SpoolFile.setAside(settings.path, at: now().seconds)
        } catch {
            throw SpoolError("the spool '\(settings.path)' is corrupted and cannot be set aside: \(error)")
        }
        setAside.increment()
        logger.critical(
            "the spool was corrupted: it was set aside, and a new one begun; what it held has to be recovered by hand",
            metadata: ["path": "\(settings.path)", "now": "\(name)", "error": "\(error)"])
        try openFile()
    }

    // MARK: - Writing

    private func schedule(after pause: DispatchTimeInterval? = nil, _ change: (inout Pending) -> Void) {
        let needsWakeUp = pending.withLock { pending in
            change(&pending)
            // A removal that waits does not keep an append from being written at once.
            if pause != nil, pending.isScheduled || pending.removals.count > 1 { return false }
            defer { if pause == nil { pending.isScheduled = true } }
            return !pending.isScheduled
        }
        guard needsWakeUp else { return }
        if let pause {
            queue.asyncAfter(deadline: .now() + pause) { self.commit() }
        } else {
            queue.async { self.commit() }
        }
    }

    /// Writes what has come together in one transaction, and tells whoever waits for it.
    private func commit() {
        dispatchPrecondition(condition: .onQueue(queue))
        let (appends, removals) = pending.withLock { pending in
            defer { pending = Pending() }
            return (pending.appends, pending.removals)
        }
        guard !appends.isEmpty || !removals.isEmpty else { return }
        var results: [SpoolResult] = []
        state.withLock { state in
            results = write(appends.flatMap(\.messages), removals, &state)
            recordGauges(state)
        }
        var remaining = results[...]
        for (messages, done) in appends {
            for (index, result) in remaining.prefix(messages.count).enumerated() { done(index, result) }
            remaining = remaining.dropFirst(messages.count)
        }
    }

    private func write(_ appends: [Message], _ removals: [Int64], _ state: inout State) -> [SpoolResult] {
        guard let connection = state.connection else { return appends.map { _ in .failed("the spool is closed") } }
        let now = now()
        var accepted: [(index: Int, payload: [UInt8])] = []
        var results = [SpoolResult](repeating: .full, count: appends.count)
        // What is taken out at the same moment makes room.
        var availableBytes = settings.maxBytes - state.bytes + removals.reduce(0) { $0 + (state.sizes[$1] ?? 0) }
        var ids: Set<String> = []
        for (index, message) in appends.enumerated() {
            if ids.contains(message.id)
                || state.recent.contains(message.id, at: now, window: settings.duplicateWindow)
            {
                results[index] = .duplicate
                continue
            }
            let payload = message.payload.bytes(at: message.receivedAt)
            guard payload.count + Self.overhead <= settings.maxBytes else {
                results[index] = .failed("it is larger than the whole spool may be")
                continue
            }
            guard payload.count + Self.overhead <= availableBytes else {
                // Nothing that comes later goes in front of it.
                availableBytes = 0
                continue
            }
            availableBytes -= payload.count + Self.overhead
            accepted.append((index, payload))
            ids.insert(message.id)
        }
        do {
            let numbers = try connection.transaction {
                let delete = try connection.statement("DELETE FROM message WHERE number = ?")
                for number in removals { try delete.execute([.integer(number)]) }
                let insert = try connection.statement(
                    "INSERT INTO message (\(MessageRow.columns)) VALUES (\(MessageRow.placeholders))")
                return try accepted.map { index, payload in
                    try insert.execute(MessageRow.values(appends[index], payload: payload))
                    return connection.lastInsertedNumber
                }
            }
            for (number, (index, payload)) in zip(numbers, accepted) {
                results[index] = .stored(number)
                state.newest = number
                state.count += 1
                state.bytes += payload.count + Self.overhead
                state.sizes[number] = payload.count + Self.overhead
                state.recent.insert(appends[index].id, at: now, window: settings.duplicateWindow)
            }
            for number in removals {
                guard let size = state.sizes.removeValue(forKey: number) else { continue }
                state.count -= 1
                state.bytes -= size
            }
        } catch {
            logger.error("the spool cannot be written", metadata: ["path": "\(settings.path)", "error": "\(error)"])
            // A duplicate inside a batch that failed was not stored either.
            for index in appends.indices
            where results[index] != .full || accepted.contains(where: { $0.index == index }) {
                results[index] = .failed("\(error)")
            }
            if !removals.isEmpty { retryRemovals(removals) }
        }
        return results
    }

    /// What could not be taken out now is taken out later; a crash before that makes it come again, which does no harm.
    private func retryRemovals(_ removals: [Int64]) {
        queue.asyncAfter(deadline: .now() + .seconds(1)) { [self] in
            pending.withLock { $0.removals += removals }
            commit()
        }
    }

    private func recordGauges(_ state: borrowing State) {
        messages.record(state.count)
        size.record(state.bytes)
    }

    private func onQueue<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try work() }) }
        }
    }
}

/// The ids that were stored a short while ago; bounded in number and in time.
struct RecentIDs {
    private static let maximumCount = 100_000

    private var times: [String: Timestamp] = [:]
    private var order: Deque<(id: String, at: Timestamp)> = []

    func contains(_ id: String, at now: Timestamp, window: Duration) -> Bool {
        times[id].map { now - $0 <= window } ?? false
    }

    mutating func insert(_ id: String, at now: Timestamp, window: Duration) {
        times[id] = now
        order.append((id, now))
        while let first = order.first, order.count > Self.maximumCount || now - first.at > window {
            _ = order.popFirst()
            if times[first.id] == first.at { times[first.id] = nil }
        }
    }
}
