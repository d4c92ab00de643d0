import Dispatch
import HTTP
import Locking
public import PipelineKit
import Telemetry
import Webhooks
import Wire

/// Keeps the list of live webhooks in memory, serves it over HTTP, and counts it, as Tr1d1um and Caduceus do with what
/// they read from SNS or Argus.
public final class WebhookListSink: Sink {
    private static let listen = Option("listen", .listenAddress, help: "the address to listen on")
    private static let path = Option(
        "path", SNSSourceOptions.pathType, default: "/hooks", help: "the path of the list, for GET")
    private static let basic = Option(
        optional: "basic", .secret, help: "the required user:password; by default anybody may read")
    private static let metric = Option(
        optional: "metric", metricName, help: "the name of a gauge for the size of the list")
    private static let hidesSecrets = Option(
        "hideSecrets", .bool, default: true,
        help: "whether secrets are shown as <obfuscated>, as in newer versions of Tr1d1um; older ones show them")

    public static let declaration = StageDeclaration(
        name: "webhook-list",
        summary: "keeps the list of live webhooks, serves it over HTTP, and counts it",
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
            throw OptionError("'\(text)' is no metric name: use lower-case letters, digits and _")
        }
        return text
    }

    /// The maximum number of webhooks.
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

    /// An upsert: a newer record replaces one that waits.
    public let capabilities = SinkCapabilities(batch: 64, inFlight: 1, isUpsert: true)
    private let listen: ListenAddress
    private let path: String
    private let authenticator: BasicAuthenticator
    private let hidesSecrets: Bool
    private let gauge: Gauge?
    private let context: StageContext
    private let state = Mutex(State())

    public init(_ options: Options, _ context: StageContext) throws {
        listen = options[Self.listen]
        path = options[Self.path]
        authenticator = try BasicAuthenticator(options, Self.basic)
        hidesSecrets = options[Self.hidesSecrets]
        gauge = options[Self.metric].map { Gauge(label: $0, dimensions: [], factory: context.metrics) }
        gauge?.record(0)
        self.context = context
    }

    /// Starts to listen.
    ///
    /// - Throws: `HTTPListenerError` if the address or the path is taken.
    public func open() async throws {
        let stop = StopSignal()
        let listening = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let service = Task { [listen, path, context] in
            do {
                try await ListenerPool.shared.serve(
                    listen, path: path, tls: nil, limits: HTTPLimits(bodyBytes: HTTPLimits.ignoredBody),
                    logger: context.logger, until: stop,
                    onListening: { listening.continuation.yield(.success(())) },
                    handler: { [weak self] request, responder in
                        // A long list takes time, in which an event loop would serve nobody else.
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

    /// Adds records to the list and removes records from it.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        guard state.withLock({ $0.service != nil }) else {
            return Array(repeating: .transient(reason: "the sink is closed", retryAfter: nil), count: batch.count)
        }
        return batch.map { write($0) }
    }

    /// Stops listening when all requests are answered.
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

    /// Changes the list and records its size.
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
            return .text(405, "only GET is supported", headers: ["Allow": "GET"])
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
