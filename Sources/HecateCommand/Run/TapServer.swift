import Glibc
import HTTP
import Locking
import PipelineKit
import Telemetry
import Wire

/// Serves the tap of this process to `hecate tap` on a socket that is private to its user. Masks the secrets of
/// webhooks.
final class TapServer: Sendable {
    private let listener: HTTPListener
    private let logger: Logger

    init(_ tap: Tap, pipelines: [String], logger: Logger) {
        self.logger = logger
        listener = HTTPListener(
            address: ListenAddress(unixPath: TapSocket.path(of: getpid())),
            limits: HTTPLimits(bodyBytes: HTTPLimits.ignoredBody),
            logger: logger,
            handler: HTTPListener.asynchronous { request in Self.answer(request, tap, pipelines) })
    }

    private static func answer(_ request: ServerRequest, _ tap: Tap, _ pipelines: [String]) -> ServerResponse {
        switch request.path {
        case "/pipelines":
            return json(.array(pipelines.map { .string($0) }))
        case "/passages":
            let after = request.query.flatMap { Int($0.dropFirst("after=".count)) } ?? .max
            let (events, last) = tap.events(after: after)
            return json(.members(["last": .integer(last), "passages": .array(events.map(tree))]))
        default: return .text(404, "there is nothing at this path")
        }
    }

    private static func json(_ tree: JSONTree) -> ServerResponse {
        ServerResponse(status: 200, contentType: "application/json", body: tree.bytes)
    }

    /// The maximum size of a payload shown, in bytes.
    private static let maximumPayloadBytes = 4096

    private static func tree(_ event: Tap.Event) -> JSONTree {
        let bytes = SecretMask.masked(event.message.payload.bytes(at: event.time))
        let attributes = event.message.attributes.sorted { $0.key < $1.key }
        return .members([
            "number": .integer(event.number), "time": .string("\(event.time)"),
            "pipeline": .string(event.pipeline), "stage": .string(event.stage),
            "outcome": .string(event.outcome), "reason": event.reason.map { .string($0) } ?? .null,
            "id": .string(event.message.id), "key": .string(event.message.key),
            "attributes": .object(attributes.map { .init($0.key, .string($0.value)) }),
            "kind": .string("\(type(of: event.message.payload).kind)"),
            "payload": .string(String(decoding: bytes.prefix(maximumPayloadBytes), as: UTF8.self)),
        ])
    }

    /// Serves until `stop`. Errors do not stop the gateway.
    func run() async {
        do {
            try TapSocket.prepare()
            try await listener.run()
        } catch {
            logger.info("'hecate tap' cannot look into this process", metadata: ["reason": "\(error)"])
        }
        unlink(TapSocket.path(of: getpid()))
    }

    func stop() async { await listener.stop() }
}
