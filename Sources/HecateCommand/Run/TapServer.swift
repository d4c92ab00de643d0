import Glibc
import HTTP
import Locking
import Telemetry
import PipelineKit
import Wire

/// The sockets through which running gateways are tapped: one per process, in a folder that is private to its user.
enum TapSocket {
    static var folder: String {
        if let runtime = environment("XDG_RUNTIME_DIR"), !runtime.isEmpty { return "\(runtime)/hecate" }
        // Not TMPDIR, which differs between shells. Its ownership is checked before use.
        return "/tmp/hecate-\(getuid())"
    }

    static func path(of process: Int32) -> String { "\(folder)/\(process).sock" }

    /// The running processes that have a socket.
    static var processes: [Int32] {
        let names = (try? Files.list(folder)) ?? []
        return names.compactMap { name in
            guard name.hasSuffix(".sock"), let process = Int32(name.dropLast(5)) else { return nil }
            return kill(process, 0) == 0 || errno == EPERM ? process : nil
        }.sorted()
    }

    /// Creates the folder, and removes the sockets of processes that have ended.
    ///
    /// - Throws: if the folder belongs to another user or is accessible to others.
    static func prepare() throws {
        mkdir(folder, 0o700)
        var status = stat()
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(),
            status.st_mode & 0o077 == 0
        else { throw StageError("'\(folder)' is not a folder that is this user's alone") }
        let liveSockets = Set(processes.map { "\($0).sock" })
        for name in (try? Files.list(folder)) ?? []
        where name.hasSuffix(".sock") && !liveSockets.contains(name) {
            unlink("\(folder)/\(name)")
        }
        unlink(path(of: getpid()))
    }
}

/// Serves the tap of this process to `hecate tap` on a socket that is private to its user. Masks the secrets of
/// webhooks.
final class TapServer: Sendable {
    private let listener: HTTPListener
    private let logger: Logger

    init(_ tap: Tap, pipelines: [String], logger: Logger) {
        self.logger = logger
        listener = HTTPListener(
            address: ListenAddress(unixPath: TapSocket.path(of: getpid())), limits: HTTPLimits(bodyBytes: 0),
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
