import HTTP
import Locking
public import PipelineKit
import Spool
import Telemetry
import Webhooks
import Wire

/// Writes items to Argus.
///
/// Protocol: Argus 0.9 and 0.11, `PUT /api/v1/store/{bucket}/{id}`.
public final class ArgusSink: CompletingSink {
    static let addresses = Option(
        "address", .list(of: .httpAddress),
        help: "the URL of Argus; of several, the next is used when one does not answer")
    static let bucket = Option("bucket", bucketType, default: "webhooks", help: "the bucket")
    static let ownerHeaders = Option(
        "ownerHeaders", .list(of: headerName), default: ["X-Midt-Owner", "X-Xmidt-Owner"],
        shown: "[X-Midt-Owner, X-Xmidt-Owner]",
        help: "the headers that name the owner: the first for Argus up to 0.9, the second for newer")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(5), shown: "5s", help: "the timeout of a write")
    private static let inFlight = Option(
        "inFlight", .int(1...1024), default: 16, help: "the maximum number of concurrent writes")

    static let tls = ClientTLS.option("tls", help: "certificates for https")
    enum Conflict: String, CaseIterable { case overwrite, newest }
    private static let conflict = Option(
        "conflict", OptionType<Conflict>.choice, default: .overwrite, shown: "overwrite",
        help: "what happens to an existing item: it is overwritten, or kept if it expires later")

    private static let journal = Option(
        optional: "journal", .path,
        help:
            "a SQLite file that records which items were written and which were created, for 'hecate rollback'"
    )

    public static let declaration = StageDeclaration(
        name: "argus",
        summary: "writes items to Argus",
        details: """
            200 and 201 mean delivered. 408, 425, 429, 5xx and network errors are retried, not before a Retry-After. Every other response
            is final: the message is refused with the reason that Argus gives.

            conflict: newest is for the roll-out, while another Tr1d1um writes to Argus directly: the item is read first, and left alone if
            it ends later than ours. Between the reading and the writing another may still write; Argus has no conditional PUT, so
            that race remains, and is as long as one request.

            With a journal, a message is done when its item is in Argus and noted there. Where the journal cannot be written, that is
            logged, and the items go to Argus all the same.
            """,
        options: [
            addresses, bucket, HTTPAuthorization.option, ownerHeaders, conflict, timeout, inFlight, journal, tls,
        ],
        accepts: ArgusItem.kind,
        example: """
            sink:
              argus:
                address: ${ARGUS_URL:-http://localhost:6600}
                bucket: webhooks
                auth: {basic: "${file:/run/secrets/argus}"}
            """)

    /// An upsert: only the newest state of a webhook matters.
    public let capabilities: SinkCapabilities

    private let bucket: ArgusBucket
    private let conflict: Conflict
    private let context: StageContext
    private let liveItems: LiveItems
    private let journal: ItemJournal?
    private let isJournalFailing = Atomic<Bool>(false)
    /// Nil while the sink is closed.
    private let client = Mutex<ArgusClient?>(nil)

    public init(_ options: Options, _ context: StageContext) throws {
        bucket = try ArgusBucket(options, timeout: options[Self.timeout], now: context.now)
        conflict = options[Self.conflict]
        capabilities = SinkCapabilities(batch: 1, inFlight: options[Self.inFlight], isUpsert: true)
        self.context = context
        liveItems = LiveItems(context)
        journal = options[Self.journal].map { ItemJournal(path: $0) }
    }

    /// Opens the journal. Connections are made with the first writes.
    public func open() async throws {
        try await journal?.open()
        let opened = try ArgusClient(bucket, connections: capabilities.inFlight)
        let previous = client.withLock { client in
            defer { client = opened }
            return client
        }
        await previous?.shutDown()
        liveItems.startSweeping()
    }

    /// Lists the items without an owner, to check that Argus answers, knows the bucket and accepts the credentials.
    public func probe() async throws -> String {
        try await bucket.connected { client in
            for (address, store) in bucket.stores.enumerated() {
                do {
                    _ = try await client.list(of: "", at: address)
                } catch {
                    throw StageError("\(store): \(error)")
                }
            }
        }
        let count = bucket.stores.count
        return count == 1 ? "Argus answers and accepts the credentials" : "all \(count) addresses of Argus answer"
    }

    /// Closes the connections and the journal.
    public func close() async {
        let last = client.withLock { client in
            defer { client = nil }
            return client
        }
        await last?.shutDown()
        await journal?.close()
        liveItems.stopSweeping()
    }

    // MARK: - Writing

    /// Writes items, each with the ttl of the moment it is sent. `done` is called on an event loop, or before this
    /// returns.
    package func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void) {
        guard let client = client.withLock({ $0 }) else {
            let closed = WriteOutcome.transient(reason: "the sink is closed", retryAfter: nil)
            return done(Array(repeating: closed, count: batch.count))
        }
        OutcomeCollector.write(batch, { write($0, client, done: $1) }, done: done)
    }

    private func write(
        _ message: Message, _ client: ArgusClient, done: @escaping @Sendable (WriteOutcome) -> Void
    ) {
        guard let item = message.payload as? ArgusItem else {
            return done(
                .permanent(reason: "the message is no Argus item; put the transform argus-item in front of the sink"))
        }
        guard item.id.utf8.count == 64, item.id.utf8.allSatisfy(Self.isLowerHex) else {
            return done(
                .permanent(reason: "'\(item.id.prefix(80))' is no id that Argus accepts: 64 characters 0-9a-f"))
        }
        let now = context.now()
        if item.isExpired(at: now) { return done(.expired) }
        let write = ItemWrite(item: item, began: now, client: client, address: client.address, done: done)
        client.fields(of: item.owner) { [self] fields in
            switch fields {
            case .success(let fields) where conflict == .newest: writeIfNewer(write, fields)
            case .success(let fields): put(write, fields)
            case .failure(let failure): end(write, .transient(reason: failure.description, retryAfter: nil))
            }
        }
    }

    /// The write of one item.
    private struct ItemWrite: Sendable {
        let item: ArgusItem
        let began: Timestamp
        let client: ArgusClient
        /// The index of the address that it is sent to.
        let address: Int
        let done: @Sendable (WriteOutcome) -> Void
    }

    private func put(_ write: ItemWrite, _ fields: HeaderFields) {
        let body = write.item.body(at: context.now())
        write.client.put(write.item.id, body, fields, at: write.address) { [self] answer in
            let outcome = outcome(of: answer, write)
            guard let journal, outcome == .delivered, let response = try? answer.get() else {
                return end(write, outcome)
            }
            Task {
                await record(write.item, wasCreated: response.status == 201, journal)
                end(write, outcome)
            }
        }
    }

    /// Reads the stored item, and writes unless the stored one expires later or cannot be read.
    private func writeIfNewer(_ write: ItemWrite, _ fields: HeaderFields) {
        write.client.get(write.item.id, fields, at: write.address) { [self] answer in
            if case .success(let response) = answer, response.status == 404 { return put(write, fields) }
            let outcome = outcome(of: answer, write)
            guard outcome == .delivered, let response = try? answer.get() else { return end(write, outcome) }
            do {
                let left = try FieldPath("ttl")?.text(in: response.body).flatMap { Int64($0) } ?? 0
                // Argus rounds to whole seconds, so an item of ours may read as one second longer.
                if left > write.item.lifetime.secondsLeft(at: context.now()) + 1 { return end(write, .superseded) }
            } catch {
                return end(write, .transient(reason: "Argus returned no valid item: \(error)", retryAfter: nil))
            }
            put(write, fields)
        }
    }

    private func outcome(
        of answer: Result<ClientResponse, HTTPClientError>, _ write: ItemWrite
    ) -> WriteOutcome {
        switch answer {
        case .success(let response): write.client.outcome(of: response)
        case .failure(let error): HTTPOutcome.of(error, server: "Argus")
        }
    }

    private func end(_ write: ItemWrite, _ outcome: WriteOutcome) {
        switch outcome {
        case .delivered: liveItems.record(write.item, now: write.began)
        case .transient: write.client.failOver(from: write.address)
        case .expired, .superseded, .permanent: break
        }
        write.done(outcome)
    }

    private func record(_ item: ArgusItem, wasCreated: Bool, _ journal: ItemJournal) async {
        let now = context.now()
        do {
            try await journal.record(
                .init(
                    id: item.id, owner: item.owner, wasCreated: wasCreated, written: now,
                    end: now + .seconds(min(item.lifetime.secondsLeft(at: now), 1 << 40))))
            isJournalFailing.store(false, ordering: .relaxed)
        } catch {
            guard !isJournalFailing.exchange(true, ordering: .relaxed) else { return }
            context.logger.error(
                "the journal cannot be written: 'hecate rollback' will not know the items written from now on; check the disk",
                metadata: ["error": "\(error)"])
        }
    }

    /// Returns the path of the journal of a sink; nil if it has none.
    public static func journalPath(of sink: PipelineSpec.StageSpec) -> String? { sink.options[journal] }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    // MARK: - Options

    private static let bucketType = OptionType<String>.string.map(named: "bucket") { text in
        let isValid = text.utf8.allSatisfy {
            isLowerHex($0) || (UInt8(ascii: "g")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-")
        }
        guard isValid, (3...63).contains(text.utf8.count), text.first != "-", text.last != "-" else {
            throw OptionError("'\(text)' is no bucket: use 3 to 63 characters a-z, 0-9 and -, without - at either end")
        }
        return text
    }

    private static let headerName = OptionType<String>.string.map(named: "header") { text in
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !":()<>@,;\\\"/[]?={}".utf8.contains($0) }) else {
            throw OptionError("'\(text)' is no header name")
        }
        return text
    }
}
