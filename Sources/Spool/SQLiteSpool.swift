import Database
import Dispatch
import Locking
public import PipelineKit
public import Telemetry
public import Wire

/// A durable queue in a SQLite file. Messages that arrive during a transaction share the next one: many messages, one
/// fsync. Thread-safe; one queue accesses the file.
public final class SQLiteSpool: MessageSpool {
    public struct Settings: Sendable {
        /// The path of the file.
        public var path: String
        /// The maximum size of all waiting messages in bytes.
        public var maxBytes: Int
        /// Whether a message counts as stored when it is on the disk (`full`), or when the operating system has it.
        public var isFullSync: Bool
        /// How long message ids are remembered, to recognise duplicates.
        public var duplicateWindow: Duration
        /// The maximum size of the file in SQLite pages, for tests of a full disk.
        var maxPages: Int?

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

    /// The state that belongs to the queue.
    private struct State {
        var connection: Connection?
        var lock: ProcessLock?
        var newest: Int64 = 0
        var count = 0
        var bytes = 0
        var sizes: [Int64: Int] = [:]
        var recent = RecentIDs()
    }

    /// The approximate size of a message beside its payload: other columns and index.
    private static let overhead = 256
    /// How long removals wait to be batched; they are not urgent.
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

    /// Makes a spool. `open` opens its file.
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

    /// Checks that the file can be written.
    public func prepare() async throws { try SpoolFile.checkWritable(settings.path) }

    /// Opens the file exclusively. A corrupted file is renamed and a new one is created.
    ///
    /// - Throws: `SpoolError` if another process uses the file or it cannot be written.
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
                    logger.notice(
                        "messages of the last process are processed first", metadata: ["count": "\(state.count)"])
                }
                return state.newest
            }
        }
    }

    /// Appends messages, in one transaction with others that arrive at the same time.
    public func append(_ messages: [Message], done: @escaping @Sendable (_ index: Int, SpoolResult) -> Void) {
        schedule { $0.appends.append((messages, done)) }
    }

    /// Returns the oldest messages after a number.
    public func read(after number: Int64, limit: Int) async throws -> [SpooledMessage] {
        try await onQueue { [self] in
            guard let connection = state.withLock({ $0.connection }) else { throw SpoolError("the spool is closed") }
            return try connection.rows(
                "SELECT number, \(MessageRow.columns) FROM message WHERE number > ? ORDER BY number LIMIT ?",
                [.integer(number), .integer(Int64(limit))]
            ) { SpooledMessage(number: $0.integer(0), message: try MessageRow.message($0, first: 1)) }
        }
    }

    /// Removes a message, in one transaction with others.
    public func remove(_ number: Int64) {
        schedule(after: Self.removalDelay) { $0.removals.append(number) }
    }

    /// Writes everything pending and closes the file.
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
        // AUTOINCREMENT never reuses the number of a removed message.
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
            throw SpoolError("the spool '\(settings.path)' is corrupted and cannot be renamed: \(error)")
        }
        setAside.increment()
        logger.critical(
            "the spool was corrupted and was renamed, and a new one was created; recover the messages of the old one by hand",
            metadata: ["path": "\(settings.path)", "now": "\(name)", "error": "\(error)"])
        try openFile()
    }

    // MARK: - Writing

    private func schedule(after pause: DispatchTimeInterval? = nil, _ change: (inout Pending) -> Void) {
        let needsWakeUp = pending.withLock { pending in
            change(&pending)
            // A pending removal must not delay an append.
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

    /// Writes everything pending in one transaction, and calls back.
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
        // Removals in the same transaction free space.
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
                results[index] = .failed("it is larger than the spool's maxBytes")
                continue
            }
            guard payload.count + Self.overhead <= availableBytes else {
                // A later, smaller message must not overtake this one.
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
            // A duplicate in a failed batch was not stored, either.
            for index in appends.indices
            where results[index] != .full || accepted.contains(where: { $0.index == index }) {
                results[index] = .failed("\(error)")
            }
            if !removals.isEmpty { retryRemovals(removals) }
        }
        return results
    }

    /// Retries removals later. After a crash the messages are processed again, which does no harm.
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
