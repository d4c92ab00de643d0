import Dispatch
import HTTP
import Locking
public import PipelineKit
import Telemetry
import Webhooks
import Wire

/// Keeps the list of live webhooks in memory, answers for it over HTTP, and counts it: what Tr1d1um and Caduceus do with what they
/// read from SNS or from Argus.
public final class WebhookListSink: Sink {
    private static let listen = Option("listen", .listenAddress, help: "where the list is asked for")
    private static let path = Option(
        "path", SNSSourceOptions.pathType, default: "/hooks", help: "the path at which GET answers the list")
    private static let basic = Option(
        optional: "basic", .secret, help: "user:password that is asked for; else anybody may read who reaches it")
    private static let metric = Option(
        optional: "metric", metricName, help: "the name of a gauge that is set to the list's size")
    private static let hidesSecrets = Option(
        "hideSecrets", .bool, default: true,
        help: "whether the list says <obfuscated> in place of secrets, as newer Tr1d1ums do; older ones show them")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "webhook-list",
        summary: "keeps the list of live webhooks, answers for it over HTTP, and counts it",
        details: """
            A record takes the place of the one with its message's key and leaves the list when it ends: after the seconds that the
            attribute argus.ttl tells, else at its until. A message whose attribute argus.change is 'removed' takes the record with its
            key away. So the list is that of a reader of SNS behind an sns source, and that of a reader of Argus behind an argus source
            with field: data.Webhook and removals: true. It is in memory: a new start begins with nothing.
            """,
        options: [listen, path, basic, metric, hidesSecrets],
        accepts: .bytes,
        example: """
            sink:
              webhook-list: {listen: ":6100", path: /api/v2/hooks, basic: "${HOOK_AUTH:-user:pass}"}
            """)

    private static let metricName = OptionType<String>.string.map(named: "metric name") { text in
        let isValid = text.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "_")
        }
        guard isValid, let first = text.utf8.first, first >= UInt8(ascii: "_") else {
            throw OptionError("'\(text)' is no name of a metric: lower-case letters, digits and _")
        }
        return text
    }

    /// The most webhooks that are kept.
    private static let maximumCount = 1_000_000

    private struct Entry {
        var webhook: Webhook
        var end: Timestamp
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var service: Task<Void, any Error>?
        var stop = StopSignal()
        var sweeper: Task<Void, Never>?
    }

    /// A newer record takes the place of one that waits.
    public let capabilities = SinkCapabilities(batch: 64, inFlight: 1, isUpsert: true)
    private let listen: ListenAddress
    private let path: String
    private let authenticator: BasicAuthenticator
    private let hidesSecrets: Bool
    private let gauge: Gauge?
    private let context: StageContext
    private let state = Mutex(State())

    /// A sink with options; it does not listen yet.
    public init(_ options: Options, _ context: StageContext) throws {
        listen = options[Self.listen]
        path = options[Self.path]
        authenticator = try BasicAuthenticator(options, Self.basic)
        hidesSecrets = options[Self.hidesSecrets]
        gauge = options[Self.metric].map { Gauge(label: $0, dimensions: [], factory: context.metrics) }
        gauge?.record(0)
        self.context = context
    }

    /// Listens.
    ///
    /// - Throws: `HTTPListenerError` where the address or the path there cannot be had.
    public func open() async throws {
        let stop = StopSignal()
        let listening = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let service = Task { [listen, path, context] in
            do {
                try await ListenerPool.shared.serve(
                    listen, path: path, tls: nil, limits: HTTPLimits(bodyBytes: 0), logger: context.logger, until: stop,
                    onListening: { listening.continuation.yield(.success(())) },
                    handler: { [weak self] request, responder in
                        // A long list takes its time, in which a loop would serve nobody else.
                        DispatchQueue.global().async { [weak self] in
                            responder.respond(self?.answer(request) ?? .init(status: 503))
                        }
                    })
            } catch {
                listening.continuation.yield(.failure(error))
                throw error
            }
        }
        for await result in listening.stream {
            try result.get()
            break
        }
        let sweeper = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(500))
                self?.sweep()
            }
        }
        state.withLock { ($0.service, $0.stop, $0.sweeper) = (service, stop, sweeper) }
    }

    /// Puts records into the list and takes them out of it.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        guard state.withLock({ $0.service != nil }) else {
            return Array(repeating: .transient(reason: "the sink is closed", retryAfter: nil), count: batch.count)
        }
        return batch.map { write($0) }
    }

    /// Listens no more; what was asked is answered.
    public func close() async {
        let (service, stop, sweeper) = state.withLock { state in
            defer { (state.service, state.sweeper) = (nil, nil) }
            return (state.service, state.stop, state.sweeper)
        }
        sweeper?.cancel()
        stop.fire()
        _ = await service?.result
    }

    private func write(_ message: Message) -> WriteOutcome {
        let now = context.now()
        if message.attributes["argus.change"] == "removed" {
            count { $0.entries[message.key] = nil }
            return .delivered
        }
        let webhook: Webhook
        do {
            webhook = try Webhook(
                json: message.payload.bytes(at: now), publishedAt: message.originatedAt, rules: WebhookRules())
        } catch {
            return .permanent(reason: "\(error)")
        }
        let left = message.attributes["argus.ttl"].flatMap { Int64($0) }
        let end = left.map { message.receivedAt + .seconds($0) } ?? webhook.until.timestamp
        let isKept = count { state in
            guard state.entries.count < Self.maximumCount || state.entries[message.key] != nil else { return false }
            state.entries[message.key] = end > now ? Entry(webhook: webhook, end: end) : nil
            return true
        }
        return isKept
            ? .delivered : .transient(reason: "the list is full: \(Self.maximumCount) webhooks", retryAfter: nil)
    }

    private func sweep() {
        let now = context.now()
        count { state in
            for (key, entry) in state.entries where entry.end <= now { state.entries[key] = nil }
        }
    }

    /// Changes the list and tells its size.
    @discardableResult
    private func count<Result: Sendable>(_ change: (inout State) -> Result) -> Result {
        state.withLock { state in
            defer { gauge?.record(state.entries.count) }
            return change(&state)
        }
    }

    private func answer(_ request: ServerRequest) -> ServerResponse {
        guard request.path == path else { return .text(404, "the list is at \(path)") }
        guard ["GET", "HEAD"].contains(request.method) else {
            return .text(405, "only GET is answered here", headers: ["Allow": "GET"])
        }
        if let refusal = authenticator.refusal(of: request) { return refusal }
        let now = context.now()
        let live = state.withLock { $0.entries.values.filter { $0.end > now }.map(\.webhook) }
        var output: [UInt8] = [UInt8(ascii: "[")]
        for (index, webhook) in live.sorted(by: { $0.url < $1.url }).enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            var webhook = webhook
            if hidesSecrets, !webhook.secret.isEmpty { webhook.secret = Webhook.obfuscatedSecret }
            output += webhook.record(schema: .webhook)
        }
        output.append(UInt8(ascii: "]"))
        return ServerResponse(status: 200, contentType: "application/json", body: output)
    }
}
