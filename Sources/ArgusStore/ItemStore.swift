import Locking
public import Wire

/// The items of all buckets in memory, with an optional database. Thread-safe.
public final class ItemStore: Sendable {
    /// The result of a write.
    public enum PutResult: Sendable, Equatable {
        /// There was no item, or it had expired.
        case created
        /// There was an item of the same owner.
        case updated
        /// There is an item of another owner.
        case forbidden
        /// The store is full.
        case full
    }

    /// The result of a lookup.
    public enum FindResult: Sendable, Equatable {
        /// It exists.
        case found(StoredItem)
        /// It does not exist, or has expired.
        case absent
        /// It has another owner.
        case forbidden
    }

    private static let maximumItems = 2_000_000

    private struct State {
        var buckets: [String: [String: StoredItem]] = [:]
        var count = 0
    }

    private let state: Mutex<State>
    private let database: ItemDatabase?

    /// Makes a store, and loads the items of its file.
    ///
    /// - Parameter path: the SQLite file; nil to keep items in memory only.
    /// - Throws: if the file cannot be opened.
    public init(path: String? = nil, now: Timestamp = .now()) throws {
        guard let path else {
            database = nil
            state = Mutex(State())
            return
        }
        let database = try ItemDatabase(path: path)
        var loaded = State()
        try database.load(after: now) { bucket, id, item in
            loaded.buckets[bucket, default: [:]][id] = item
            loaded.count += 1
        }
        self.database = database
        state = Mutex(loaded)
    }

    /// Writes an item. With a file, it is on disk when this returns.
    public func put(_ bucket: String, _ id: String, _ item: StoredItem, now: Timestamp) async throws -> PutResult {
        try await withCheckedThrowingContinuation { continuation in
            put(bucket, id, item, now: now) { continuation.resume(with: $0) }
        }
    }

    /// Writes an item.
    ///
    /// - Parameter done: called once: without a file before this method returns, with one on the store's queue when the
    ///   item is on disk or has failed.
    public func put(
        _ bucket: String, _ id: String, _ item: StoredItem, now: Timestamp,
        done: @escaping @Sendable (Result<PutResult, any Error>) -> Void
    ) {
        change(
            { state in
                let existing = state.buckets[bucket]?[id]
                if let existing, existing.end > now, existing.owner != item.owner { return (.forbidden, nil) }
                if existing == nil {
                    guard state.count < Self.maximumItems else { return (.full, nil) }
                    state.count += 1
                }
                state.buckets[bucket, default: [:]][id] = item
                return ((existing?.end ?? now) > now ? .updated : .created, .put(bucket, id, item))
            }, done)
    }

    /// Deletes an item. With a file, that is on disk when this returns.
    public func delete(_ bucket: String, _ id: String, owner: String, now: Timestamp) async throws -> FindResult {
        try await withCheckedThrowingContinuation { continuation in
            delete(bucket, id, owner: owner, now: now) { continuation.resume(with: $0) }
        }
    }

    /// Deletes an item.
    ///
    /// - Parameter done: called like that of `put`.
    public func delete(
        _ bucket: String, _ id: String, owner: String, now: Timestamp,
        done: @escaping @Sendable (Result<FindResult, any Error>) -> Void
    ) {
        change(
            { state in
                let result = Self.find(state, bucket, id, owner, now)
                guard case .found = result else { return (result, nil) }
                state.buckets[bucket]?[id] = nil
                state.count -= 1
                return (result, .delete(bucket, id))
            }, done)
    }

    /// Looks an item up.
    public func get(_ bucket: String, _ id: String, owner: String, now: Timestamp) -> FindResult {
        state.withLock { Self.find($0, bucket, id, owner, now) }
    }

    /// Returns an owner's items in a bucket, sorted by id.
    public func list(_ bucket: String, owner: String, now: Timestamp) -> [(id: String, item: StoredItem)] {
        let items = state.withLock { $0.buckets[bucket] ?? [:] }
        return items.filter { $0.value.owner == owner && $0.value.end > now }
            .map { (id: $0.key, item: $0.value) }
            .sorted { $0.id < $1.id }
    }

    /// Removes expired items.
    public func sweep(now: Timestamp) {
        state.withLock { state in
            for bucket in state.buckets.keys {
                let before = state.buckets[bucket]!.count
                state.buckets[bucket] = state.buckets[bucket]!.filter { $0.value.end > now }
                state.count -= before - state.buckets[bucket]!.count
                if state.buckets[bucket]!.isEmpty { state.buckets[bucket] = nil }
            }
        }
        database?.sweep(before: now)
    }

    private static func find(
        _ state: borrowing State, _ bucket: String, _ id: String, _ owner: String, _ now: Timestamp
    ) -> FindResult {
        guard let item = state.buckets[bucket]?[id], item.end > now else { return .absent }
        return item.owner == owner ? .found(item) : .forbidden
    }

    /// Changes the items and, in the same order, the database.
    private func change<Outcome: Sendable>(
        _ change: (inout State) -> (Outcome, ItemDatabase.Change?),
        _ done: @escaping @Sendable (Result<Outcome, any Error>) -> Void
    ) {
        // The database reports what it writes; the rest is reported here, outside the lock.
        let outcome: Outcome? = state.withLock { state in
            let (outcome, entry) = change(&state)
            guard let database, let entry else { return outcome }
            database.append(entry) { done($0.map { outcome }) }
            return nil
        }
        if let outcome { done(.success(outcome)) }
    }
}
