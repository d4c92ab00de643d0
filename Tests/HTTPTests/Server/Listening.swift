import HTTP
import Telemetry
import TestServers
import TestSupport

/// A listener on a free port of the loopback.
struct Listening: Sendable {
    let port: Int
    let listener: HTTPListener
    /// Ends when `run` has returned.
    let running: Task<Void, any Error>

    /// Listens while `body` runs, and then until what has come is answered.
    static func with(
        _ handler: @escaping HTTPListener.Handler, address: ListenAddress? = ListenAddress("127.0.0.1:0"),
        certificate: ServerCertificate? = nil, loops: EventLoops = .shared,
        limits change: (inout HTTPLimits) -> Void = { _ in }, logger: Logger = .silent,
        _ body: (Listening) async throws -> Void
    ) async throws {
        var limits = HTTPLimits(bodyBytes: 1000)
        change(&limits)
        guard let address else { throw Peer.Failure(description: "no address") }
        let listener = HTTPListener(
            address: address, certificate: certificate, limits: limits, logger: logger, loops: loops, handler: handler)
        let (listening, said) = AsyncStream.makeStream(of: Void.self)
        let running = Task {
            defer { said.finish() }
            try await listener.run { said.finish() }
        }
        for await _ in listening {}
        do {
            try await body(Listening(port: listener.port ?? 0, listener: listener, running: running))
        } catch {
            await listener.stop()
            try await running.value
            throw error
        }
        await listener.stop()
        try await running.value
    }

    /// Returns when so many connections are open, no more and no fewer.
    func waitForConnections(_ count: Int) async throws {
        while listener.connections != count { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// Sends a request on a connection of its own, and reads the answer.
    func ask(_ request: String, tls: Bool = false) async throws -> Peer.Answer {
        let peer = try Peer(port: port, tls: tls)
        if tls { try await peer.handshake() }
        try await peer.send(request)
        return try await peer.answer()
    }
}

extension Logger {
    /// Writes nothing.
    static var silent: Logger { Logger(label: "test") { _ in SilentLogHandler() } }
}

/// Answers with what was asked: method, path, and the body.
let echo: HTTPListener.Handler = { request, responder in responder.respond(echoed(request)) }

/// The same, from another thread a moment later.
let echoElsewhere: HTTPListener.Handler = HTTPListener.asynchronous { request in
    await Task.yield()
    return echoed(request)
}

private func echoed(_ request: ServerRequest) -> ServerResponse {
    .text(200, "\(request.method) \(request.path) \(String(decoding: request.body, as: UTF8.self))")
}

/// Requests that wait until the test answers them.
final class Held: Sendable {
    private let all = Protected<[(path: String, responder: Responder)]>([])

    var handler: HTTPListener.Handler {
        { [all] request, responder in all.with { $0.append((request.path, responder)) } }
    }

    var count: Int { all.with { $0.count } }

    /// Returns when so many requests wait.
    func wait(for count: Int) async throws {
        while self.count < count { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// Answers all that wait, each with its path.
    func answerAll() {
        let waiting: [(path: String, responder: Responder)] = all.with { all in
            defer { all = [] }
            return all
        }
        for each in waiting { each.responder.respond(.text(200, each.path)) }
    }

    /// Lets go of all that wait without an answer.
    func dropAll() { all.with { $0 = [] } }
}
