import Foundation
import NIOCore
import NIOHTTP1
public import PipelineKit
import Locking
import Spool
import Webhooks
import Wire

/// Writes items into Argus: the last station of a webhook on its way.
///
/// Source of the protocol: Argus 0.9 and 0.11, `PUT /api/v1/store/{bucket}/{id}`.
public final class ArgusSink: Sink {
    static let addresses = Option(
        "address", .list(of: .httpAddress),
        help: "the URL of Argus; of several, the next is used while one does not answer")
    static let bucket = Option("bucket", bucketType, default: "webhooks", help: "the bucket")
    static let ownerHeaders = Option(
        "ownerHeaders", .list(of: headerName), default: ["X-Midt-Owner", "X-Xmidt-Owner"],
        shown: "[X-Midt-Owner, X-Xmidt-Owner]",
        help: "the headers that name the owner: the first for Argus up to 0.9, the second for newer")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(5), shown: "5s", help: "how long one write may take")
    private static let inFlight = Option("inFlight", .int(1...1024), default: 16, help: "the most writes at once")

    static let tls = ClientTLS.option("tls", help: "certificates for https")
    enum Conflict: String, CaseIterable { case overwrite, newest }
    private static let conflict = Option(
        "conflict", OptionType<Conflict>.choice, default: .overwrite, shown: "overwrite",
        help: "what is done about an item that is there: written over, or left alone if it ends later than ours")

    private static let journal = Option(
        optional: "journal", .path,
        help:
            "a SQLite file that keeps which items were written and which of them were new: what 'hecate rollback' goes by"
    )

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "argus",
        summary: "writes items into Argus",
        details: """
            200 and 201 are delivered. 408, 425, 429, 5xx and failures of the network are tried again, not before a Retry-After. Every
            other answer is final: the message is refused with what Argus says of it.

            conflict: newest is for the roll-out, while another Tr1d1um writes to Argus directly: the item is read first, and left alone if
            it ends later than ours. Between the reading and the writing another may still write; Argus has no conditional PUT, so
            that race remains, and is as long as one request.

            With a journal, a message is done when its item is in Argus and noted there. Where the journal cannot be written, that is
            logged, and the items go to Argus all the same.
            """,
        options: [
            addresses, bucket, HTTPAuthorization.option, ownerHeaders, conflict, timeout, inFlight, journal, tls,
        ],
        takes: ArgusItem.kind,
        example: """
            sink:
              argus:
                address: ${ARGUS_URL:-http://localhost:6600}
                bucket: webhooks
                auth: {basic: "${file:/run/secrets/argus}"}
            """)

    /// Only the newest state of a webhook matters, so one that waits gives way to a newer one.
    public let capabilities: SinkCapabilities

    private let stores: [String]
    private let headers: HTTPHeaders
    private let connections: ArgusConnections
    private let ownerHeaders: [String]
    private let authorization: HTTPAuthorization
    private let conflict: Conflict
    private let tls: ClientTLS
    /// For a look before anything is written.
    private let bucket: ArgusBucket
    private let context: StageContext
    private let liveItems: LiveItems
    private let journal: ItemJournal?
    private let isJournalFailing = Atomic<Bool>(false)
    /// For tokens, where they are fetched.
    private let tokenClient = HTTPClientSlot()
    private let current = Atomic<Int>(0)

    /// A sink with options; nothing is connected yet.
    public init(_ options: Options, _ context: StageContext) throws {
        let bucket = options[Self.bucket]
        stores = options[Self.addresses].map { "\($0)/api/v1/store/\(bucket)/" }
        guard !stores.isEmpty else { throw OptionError("'address' is empty", at: options.location(of: Self.addresses)) }
        authorization = try HTTPAuthorization(options, now: context.now)
        var headers: HTTPHeaders = ["Content-Type": "application/json"]
        if let constant = authorization.constant { headers.add(name: "Authorization", value: constant) }
        self.headers = headers
        ownerHeaders = options[Self.ownerHeaders]
        conflict = options[Self.conflict]
        let timeout = options[Self.timeout]
        tls = try ClientTLS(options[Self.tls])
        connections = try ArgusConnections(stores: stores, tls: tls, timeout: .nanoseconds(timeout.inNanoseconds))
        self.bucket = try ArgusBucket(options, timeout: timeout, now: context.now)
        capabilities = SinkCapabilities(batch: 1, inFlight: options[Self.inFlight], isUpsert: true)
        self.context = context
        liveItems = LiveItems(context)
        journal = options[Self.journal].map { ItemJournal(path: $0) }
    }

    /// Opens the journal; connections come with the first writes.
    public func open() async throws {
        try await journal?.open()
        if authorization.isFetched { try await tokenClient.open(try tls.makeClient()) }
        try connections.open()
        liveItems.startSweeping()
    }

    /// Writes an item; its ttl is that of this moment.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        var outcomes: [WriteOutcome] = []
        for message in batch { outcomes.append(await write(message)) }
        return outcomes
    }

    /// Asks for the items of nobody: that Argus is there, knows the bucket and lets us in.
    public func probe() async throws -> String {
        try await bucket.withClient { client in
            for (index, store) in stores.enumerated() {
                do {
                    _ = try await bucket.items(of: "", at: index, client)
                } catch let error as StageError {
                    throw StageError("\(store): \(error)")
                }
            }
        }
        return stores.count == 1 ? "Argus answers and lets us in" : "all \(stores.count) addresses of Argus answer"
    }

    /// Closes the connections.
    public func close() async {
        connections.close()
        await tokenClient.close()
        await journal?.close()
        liveItems.stopSweeping()
    }

    private func write(_ message: Message) async -> WriteOutcome {
        guard let item = message.payload as? ArgusItem else {
            return .permanent(reason: "the message is no item of Argus")
        }
        guard item.id.utf8.count == 64, item.id.utf8.allSatisfy(Self.isLowerHex) else {
            return .permanent(reason: "'\(item.id.prefix(80))' is no id that Argus takes: 64 characters 0-9a-f")
        }
        let now = context.now()
        if item.isExpired(at: now) { return .expired }
        let store = current.load(ordering: .relaxed)
        var headers = headers
        if !item.owner.isEmpty {
            for name in ownerHeaders { headers.add(name: name, value: item.owner) }
        }
        let outcome: WriteOutcome
        do {
            if authorization.isFetched {
                guard let client = tokenClient.client else { throw ArgusConnections.Failure.notOpen }
                if let header = try await authorization.header(client) {
                    headers.add(name: "Authorization", value: header)
                }
            }
            if conflict == .newest, let other = try await findNewer(than: item, at: store, headers) {
                outcome = other
            } else {
                let answer = try await connections.execute(
                    .PUT, item.id, at: store, headers: headers, body: item.body(at: context.now()))
                outcome = judge(answer)
                if outcome == .delivered { await note(item, wasCreated: answer.status == 201) }
            }
        } catch let failure as TokenSource.Failure {
            outcome = .transient(reason: failure.description, retryAfter: nil)
        } catch ArgusConnections.Failure.notOpen {
            return .transient(reason: "the sink is closed", retryAfter: nil)
        } catch {
            outcome = .transient(reason: "Argus does not answer: \(error)", retryAfter: nil)
        }
        switch outcome {
        case .delivered: liveItems.note(item, now: now)
        case .transient: moveOn(from: store)
        case .expired, .superseded, .permanent: break
        }
        return outcome
    }

    /// The outcome where what is there decides it: it ends later than ours, or it cannot be read. nil where ours is to be written.
    private func findNewer(
        than item: ArgusItem, at store: Int, _ headers: HTTPHeaders
    ) async throws -> WriteOutcome? {
        let answer = try await connections.execute(.GET, item.id, at: store, headers: headers)
        guard answer.status != 404 else { return nil }
        let outcome = judge(answer)
        guard outcome == .delivered else { return outcome }
        let left = try FieldPath("ttl")?.text(in: Array(answer.body.readableBytesView)).flatMap { Int64($0) } ?? 0
        // What is left is told in whole seconds, so ours, sent a moment ago, may read as one more.
        return left > item.lifetime.secondsLeft(at: context.now()) + 1 ? .superseded : nil
    }

    /// What an answer means here: a token may have been revoked, so another is asked for before a 401 is final.
    private func judge(_ answer: ArgusConnections.Answer) -> WriteOutcome {
        if answer.status == 401, authorization.refused() {
            return .transient(reason: "Argus refused the token", retryAfter: nil)
        }
        return HTTPOutcome.of(answer.status, answer.headers, server: "Argus")
    }

    private func note(_ item: ArgusItem, wasCreated: Bool) async {
        guard let journal else { return }
        let now = context.now()
        do {
            try await journal.note(
                .init(
                    id: item.id, owner: item.owner, wasCreated: wasCreated, written: now,
                    end: now + .seconds(min(item.lifetime.secondsLeft(at: now), 1 << 40))))
            isJournalFailing.store(false, ordering: .relaxed)
        } catch {
            guard !isJournalFailing.exchange(true, ordering: .relaxed) else { return }
            context.logger.error(
                "the journal cannot be written: 'hecate rollback' will not know what is written from now on",
                metadata: ["error": "\(error)"])
        }
    }

    /// Where the journal of a sink of this kind is; nil where it keeps none.
    public static func journalPath(of sink: PipelineSpec.StageSpec) -> String? { sink.options[journal] }

    /// Lets the next write go to the next address, unless another has seen to it.
    private func moveOn(from store: Int) {
        guard stores.count > 1 else { return }
        _ = current.compareExchange(expected: store, desired: (store + 1) % stores.count, ordering: .relaxed)
    }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    // MARK: - Options

    private static let bucketType = OptionType<String>.string.map(named: "bucket") { text in
        let isGood = text.utf8.allSatisfy {
            isLowerHex($0) || (UInt8(ascii: "g")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-")
        }
        guard isGood, (3...63).contains(text.utf8.count), text.first != "-", text.last != "-" else {
            throw OptionError("'\(text)' is no bucket: 3 to 63 characters a-z, 0-9 and -, which stands at neither end")
        }
        return text
    }

    private static let headerName = OptionType<String>.string.map(named: "header") { text in
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !":()<>@,;\\\"/[]?={}".utf8.contains($0) }) else {
            throw OptionError("'\(text)' is no name of a header")
        }
        return text
    }
}
