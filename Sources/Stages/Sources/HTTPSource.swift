import HTTP
import Locking
public import PipelineKit
import Telemetry
import Wire

/// Receives messages over HTTP.
public final class HTTPSource: Source {
    enum Arrays: String, CaseIterable, Sendable { case split, whole }

    /// The client is told how a message ended and can send it again.
    public static let redelivers = true

    private static let listen = Option("listen", .listenAddress, help: "the address to listen on")
    private static let path = Option(
        "path", SNSSourceOptions.pathType, default: "/", help: "the path for POST")
    private static let basic = Option(
        optional: "basic", .secret, help: "the required user:password; by default anybody may post")
    private static let arrays = Option(
        "arrays", OptionType<Arrays>.choice, default: .split, shown: "split",
        help: "whether each element of a JSON array is a message, or the whole array")
    private static let answerWithin = Option(
        "answerWithin", .duration, default: .seconds(10), shown: "10s",
        help: "how long a request waits for its message to be delivered before the client is told to retry")

    /// The maximum number of elements of an array.
    private static let maximumElements = 10_000

    public static let declaration = StageDeclaration(
        name: "http",
        summary: "receives messages over HTTP",
        details: """
            A body of JSON is a message, an array one for each element. Answered 200 when all of it is delivered, filtered on purpose, or on
            disk; 400 with the reason when it can never succeed; 503 with Retry-After when it should come again; 401 without the right
            user. Headers X-Hecate-Id and X-Hecate-Key give the id and the key, X-Hecate-Attribute-NAME attributes; the caller's address is
            the attribute http.remoteAddress.
            """,
        options: [
            listen, path, basic, arrays, answerWithin, SNSSourceOptions.keyField, SNSSourceOptions.maxBodyBytes,
            SNSSourceOptions.tls,
        ],
        produces: .bytes,
        example: """
            source:
              http: {listen: ":6100", path: /api/v2/hook, basic: "${HOOK_AUTH:-user:pass}"}
            """)

    private let listen: ListenAddress
    private let path: String
    private let authenticator: BasicAuthenticator
    private let splitsArrays: Bool
    private let answerWithin: Duration
    private let key: FieldPath
    private let limits: HTTPLimits
    private let tls: ServerTLS?
    private let context: StageContext
    private let isListening = Atomic<Bool>(false)
    private let stopSignal = StopSignal()

    public init(_ options: Options, _ context: StageContext) throws {
        listen = options[Self.listen]
        path = options[Self.path]
        authenticator = try BasicAuthenticator(options, Self.basic)
        splitsArrays = options[Self.arrays] == .split
        answerWithin = options[Self.answerWithin]
        key = options[SNSSourceOptions.keyField]
        limits = HTTPLimits(bodyBytes: options[SNSSourceOptions.maxBodyBytes])
        tls = options[SNSSourceOptions.tls].map {
            ServerTLS(certificate: $0[SNSSourceOptions.certificate], key: $0[SNSSourceOptions.key])
        }
        self.context = context
    }

    /// Ready while it listens.
    public var readiness: Readiness {
        isListening.load(ordering: .relaxed) ? .ready : .notReady("the listener is not up yet")
    }

    /// Checks the certificate, and that the address can be listened on.
    public func prepare() async throws { try await ListenerPool.shared.check(listen, tls: tls, logger: context.logger) }

    /// Listens until it is stopped.
    public func run(into intake: Intake) async throws {
        try await ListenerPool.shared.serve(
            listen, path: path, tls: tls, limits: limits, logger: context.logger, until: stopSignal,
            onListening: {
                self.context.logger.info(
                    "listening", metadata: ["address": "\(self.listen)", "path": "\(self.path)"])
                self.isListening.store(true, ordering: .relaxed)
            },
            handler: { request, responder in self.answer(request, intake) { responder.respond($0) } })
    }

    /// Stops accepting connections. Requests that have arrived are answered.
    public func stop() async { stopSignal.fire() }

    /// Tries to listen.
    public func probe() async throws -> String {
        try await prepare()
        return "\(listen) is free to listen on"
    }

    /// Answers a request once: here, or on another thread when all its messages have ended. Does not block.
    func answer(
        _ request: ServerRequest, _ intake: Intake, _ answer: @escaping @Sendable (ServerResponse) -> Void
    ) {
        if let refusal = refusal(of: request) { return answer(refusal) }
        LongWork.run(bodyBytes: request.body.count) { [self] in receive(request, intake, answer) }
    }

    private func receive(
        _ request: ServerRequest, _ intake: Intake, _ answer: @escaping @Sendable (ServerResponse) -> Void
    ) {
        let messages: [Message]
        do {
            messages = try self.messages(of: request)
        } catch {
            return answer(.text(400, "\(error)"))
        }
        guard !messages.isEmpty else { return answer(Self.response([])) }
        let ended = Mutex<[Settlement]>([])
        for message in messages {
            intake.submit(message, within: answerWithin) { settlement in
                let all: [Settlement]? = ended.withLock { ended in
                    ended.append(settlement)
                    return ended.count == messages.count ? ended : nil
                }
                if let all { answer(Self.response(all)) }
            }
        }
    }

    private func refusal(of request: ServerRequest) -> ServerResponse? {
        guard request.path == path else { return .text(404, "no messages are received at this path") }
        guard request.method == "POST" else { return .text(405, "only POST is supported", headers: ["Allow": "POST"]) }
        return authenticator.refusal(of: request)
    }

    /// Returns the response for all messages of a request: the most severe of their settlements.
    private static func response(_ settlements: [Settlement]) -> ServerResponse {
        var retryAfter: Duration?
        var failure: String?
        for case .failed(let reason, let pause) in settlements {
            failure = reason
            retryAfter = [retryAfter, pause].compactMap { $0 }.max()
        }
        // A transient failure comes first: the client sends all of the request again.
        if let failure {
            let seconds = max(1, Int((retryAfter ?? .seconds(5)).inSeconds.rounded(.up)))
            return .text(503, failure, headers: ["Retry-After": "\(seconds)"])
        }
        for case .refused(let stage, let reason, _) in settlements { return .text(400, "\(stage): \(reason)") }
        return ServerResponse(status: 200)
    }

    private func messages(of request: ServerRequest) throws -> [Message] {
        let id = request.header("X-Hecate-Id") ?? RandomID.make()
        var attributes = Self.attributes(request.headers)
        if let address = request.remoteAddress { attributes["http.remoteAddress"] = address }
        let bodies = try bodies(of: request.body)
        return bodies.enumerated().map { index, body in
            let isOnly = bodies.count == 1
            return Message(
                id: isOnly ? id : "\(id)#\(index)",
                key: (isOnly ? request.header("X-Hecate-Key") : nil) ?? (try? key.text(in: body)) ?? nil,
                payload: Bytes(body), attributes: attributes, receivedAt: context.now())
        }
    }

    private static func attributes(_ headers: HeaderFields) -> [String: String] {
        let prefix = "x-hecate-attribute-".utf8
        var attributes: [String: String] = [:]
        for field in headers where field.name.utf8.count >= prefix.count {
            let begins = zip(field.name.utf8, prefix).allSatisfy { $0 == $1 || ($0 | 0x20 == $1 && $0 & 0x40 != 0) }
            if begins { attributes[String(Substring(field.name.utf8.dropFirst(prefix.count)))] = field.value }
        }
        return attributes
    }

    private func bodies(of body: [UInt8]) throws -> [[UInt8]] {
        try JSONReader.read(body) { reader in
            guard splitsArrays, try reader.kind() == .array else {
                try reader.skip()
                return [body]
            }
            var elements: [[UInt8]] = []
            try reader.array { reader, _ in
                var element: [UInt8] = []
                try reader.copyCompact(to: &element)
                elements.append(element)
                guard elements.count <= Self.maximumElements else {
                    throw StageError("more than \(Self.maximumElements) elements are too many for a request")
                }
            }
            return elements
        }
    }
}
