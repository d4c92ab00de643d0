import Cryptography
import Locking
public import PipelineKit
import Telemetry
import Wire

/// Polls a bucket of Argus and emits the items that have changed.
public final class ArgusSource: Source {
    private static let owners = Option(
        "owners", .list(of: .string), default: [""], shown: "nobody",
        help: "the owners of the items; Argus lists one owner at a time")
    private static let interval = Option(
        "interval", .duration, default: .seconds(5), shown: "5s", help: "how often the bucket is polled")
    private static let once = Option(
        "once", .bool, default: false, help: "whether it ends after listing all items once")
    private static let field = Option(
        optional: "field", .fieldPath,
        help: "the part of an item that becomes the message, such as data.Webhook; by default the whole item")
    private static let removals = Option(
        "removals", .bool, default: false,
        help: "whether a removed item is a message, too, without data")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(10), shown: "10s", help: "the timeout of a poll")

    public static let declaration = StageDeclaration(
        name: "argus",
        summary: "polls a bucket of Argus for changed items",
        details: """
            At first every item, then each whose data has changed or that lives longer than before. The key is the item's id; attributes
            say what happened (argus.change: added, changed, renewed, removed), whose it is (argus.owner) and its ttl. What is remembered
            is kept in memory. One that failed is taken again with the next look.
            """,
        options: [
            ArgusSink.addresses, ArgusSink.bucket, HTTPAuthorization.option, ArgusSink.ownerHeaders, owners, interval,
            once, field, removals, timeout, ArgusSink.tls,
        ],
        produces: .bytes,
        example: """
            source:
              argus: {address: "http://localhost:6600", owners: [xmidt-migration], field: data.Webhook}
            """)

    private struct KnownItem {
        var digest: [UInt8]
        /// The latest time at which the item can expire. Argus reports whole seconds, at a moment between the request
        /// and the response: the item was renewed only if the earliest time at which it can expire now is later than
        /// this.
        var latestEnd: Timestamp
    }

    private let bucket: ArgusBucket
    private let owners: [String]
    private let interval: Duration
    private let once: Bool
    private let field: FieldPath?
    private let removals: Bool
    private let context: StageContext
    private struct State {
        var known: [String: [String: KnownItem]] = [:]
        var isStopped = false
        var pause: Task<Void, Never>?
        var lastError: String?
        var hasSeenAll = false
    }
    private let state = Mutex(State())

    public init(_ options: Options, _ context: StageContext) throws {
        bucket = try ArgusBucket(options, timeout: options[Self.timeout], now: context.now)
        owners = options[Self.owners]
        interval = options[Self.interval]
        guard interval >= .milliseconds(100) else {
            throw OptionError("'interval' must be at least 100ms", at: options.location(of: Self.interval))
        }
        once = options[Self.once]
        field = options[Self.field]
        removals = options[Self.removals]
        self.context = context
    }

    /// Ready when all items were listed once, and while Argus answers.
    public var readiness: Readiness {
        state.withLock { state in
            if let error = state.lastError { return .notReady("Argus cannot be polled: \(error)") }
            return state.hasSeenAll ? .ready : .notReady("not all items were listed yet")
        }
    }

    /// Polls until stopped, or once if configured.
    public func run(into intake: Intake) async throws {
        try await bucket.connected { try await run($0, intake) }
    }

    private func run(_ client: ArgusClient, _ intake: Intake) async throws {
        while !state.withLock({ $0.isStopped }) {
            do {
                var failed = 0
                for owner in owners { failed += try await poll(for: owner, client, intake) }
                state.withLock { ($0.lastError, $0.hasSeenAll) = (nil, true) }
                if once {
                    if failed > 0 { throw StageError("\(failed) items were refused; the log says which and why") }
                    return
                }
            } catch is IntakeClosed {
                return
            } catch let error as StageError where once {
                throw error
            } catch {
                let isFirstFailure = state.withLock { state in
                    defer { state.lastError = "\(error)" }
                    return state.lastError == nil
                }
                context.logger.log(
                    level: isFirstFailure ? .error : .debug, "Argus cannot be polled; retrying",
                    metadata: ["error": "\(error)"])
            }
            await pause()
        }
    }

    /// Waits for the next poll, or until stopped.
    private func pause() async {
        let pause = Task { [interval] in _ = try? await Task.sleep(for: interval) }
        let isStopped = state.withLock { state in
            state.pause = pause
            return state.isStopped
        }
        if isStopped { pause.cancel() }
        await pause.value
    }

    /// Stops polling.
    public func stop() async {
        let pause = state.withLock { state in
            state.isStopped = true
            return state.pause
        }
        pause?.cancel()
    }

    /// Lists the items once, without emitting any.
    public func probe() async throws -> String {
        let count = try await bucket.connected { client in
            var count = 0
            for owner in owners { count += try await client.items(of: owner).items.count }
            return count
        }
        return "Argus lists \(count) items"
    }

    /// - Returns: how many messages were refused.
    private func poll(for owner: String, _ client: ArgusClient, _ intake: Intake) async throws -> Int {
        let listing = try await client.list(of: owner)
        let known = state.withLock { $0.known[owner] ?? [:] }
        let outstanding = OutstandingMessages()
        var present: Set<String> = []
        for item in listing.items {
            let id = item.id
            present.insert(id)
            let left = Duration.seconds(item.ttl ?? 0)
            var current = KnownItem(
                digest: Digest.sha256(item.data.canonical.bytes),
                latestEnd: listing.answered + left + .seconds(1))
            let change: String
            switch known[id] {
            case nil: change = "added"
            case let old? where old.digest != current.digest: change = "changed"
            case let old? where listing.asked + left > old.latestEnd: change = "renewed"
            case let old?:
                current.latestEnd = min(current.latestEnd, old.latestEnd)
                state.withLock { [current] in $0.known[owner, default: [:]][id] = current }
                continue
            }
            try await send(item.tree, id, owner, change, item.ttl, outstanding, intake) { [self, current] in
                state.withLock { $0.known[owner, default: [:]][id] = current }
            }
        }
        for id in known.keys where !present.contains(id) {
            state.withLock { $0.known[owner]?[id] = nil }
            if removals {
                let item = JSONTree.members(["id": .string(id)])
                try await send(item, id, owner, "removed", nil, outstanding, intake) {}
            }
        }
        await outstanding.wait()
        return outstanding.failures
    }

    private func send(
        _ item: JSONTree, _ id: String, _ owner: String, _ change: String, _ ttl: Int64?,
        _ outstanding: OutstandingMessages,
        _ intake: Intake, onSuccess: @escaping @Sendable () -> Void
    ) async throws {
        let content = field.map { item.value(at: $0.segments[...]) } ?? item
        var attributes = ["argus.change": change, "argus.owner": owner]
        if let ttl { attributes["argus.ttl"] = "\(ttl)" }
        let message = Message(
            id: "\(id)/\(change)", key: id, payload: Bytes((content ?? .null).bytes), attributes: attributes,
            receivedAt: context.now())
        outstanding.add()
        do {
            try await intake.send(message) { [context] settlement in
                if settlement.isSuccess {
                    onSuccess()
                } else {
                    context.logger.warning(
                        "an item was not accepted", metadata: ["id": "\(id)", "outcome": "\(settlement)"])
                }
                outstanding.remove(failed: !settlement.isSuccess)
            }
        } catch {
            outstanding.remove()
            throw error
        }
    }
}
