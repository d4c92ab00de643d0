import Foundation
import TestSupport
import Testing
import Wire

@testable import HTTP

/// A client with loops of its own, for one test.
struct ClientTrial: Sendable {
    let client: HTTPClient
    private let loops: EventLoops

    /// Time enough for anything on the loopback, on a machine that stands still for a while.
    static let patience = Duration.seconds(600)

    init(_ configuration: HTTPClient.Configuration = .init(), lookup: NameLookup = .shared) throws {
        loops = EventLoops(count: 2)
        var configuration = configuration
        // What a test does not say is not to happen in it, however long the machine stands still.
        let usual = HTTPClient.Configuration()
        if configuration.connectTimeout == usual.connectTimeout { configuration.connectTimeout = Self.patience }
        if configuration.idleTimeout == usual.idleTimeout { configuration.idleTimeout = Self.patience }
        if configuration.maximumAge == usual.maximumAge { configuration.maximumAge = Self.patience }
        client = try HTTPClient(configuration, loops: loops, lookup: lookup)
    }

    /// Runs a body with a client, and ends both.
    static func with(
        _ configuration: HTTPClient.Configuration = .init(), lookup: NameLookup = .shared,
        _ body: (ClientTrial) async throws -> Void
    ) async throws {
        let trial = try ClientTrial(configuration, lookup: lookup)
        let result: Result<Void, any Error>
        do {
            try await body(trial)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await trial.client.shutDown()
        trial.loops.shutDown()
        try result.get()
    }

    /// Runs a body with a client and a server.
    static func with(
        _ configuration: HTTPClient.Configuration = .init(), tls: RawServer.TLS? = nil,
        server handler: @escaping @Sendable (RawPeer) -> Void, _ body: (ClientTrial, RawServer) async throws -> Void
    ) async throws {
        let server = try RawServer(tls: tls, handler)
        defer { server.close() }
        try await with(configuration) { try await body($0, server) }
    }

    /// One request, and what became of it in a few words: `200 "ok"`, `422 cut`, or the error.
    func ask(
        _ server: RawServer, _ method: String = "GET", path: String = "/", host: String = "127.0.0.1",
        scheme: String = "http", headers: HeaderFields = [:], body: [UInt8]? = nil,
        within: Duration = ClientTrial.patience, limit: BodyLimit = .whole(1 << 20)
    ) async -> String {
        do {
            let url = try WebURL("\(scheme)://\(host):\(server.port)\(path)")
            return Self.words(
                .success(
                    try await client.execute(
                        ClientRequest(method, url, headers: headers, body: body), within: within, body: limit)))
        } catch let error as HTTPClientError {
            return Self.words(.failure(error))
        } catch {
            return "\(error)"
        }
    }

    static func words(_ result: Result<ClientResponse, HTTPClientError>) -> String {
        switch result {
        case .success(let response) where response.isBodyCut: "\(response.status) cut"
        case .success(let response): "\(response.status) \"\(String(decoding: response.body, as: UTF8.self))\""
        case .failure(.malformed): "malformed"
        case .failure(.invalidRequest): "invalidRequest"
        case .failure(let error): "\(error)"
        }
    }
}

/// Waits until something is so, however long that takes.
func until(_ condition: () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(2)) }
}

/// What happens once; a test waits for it with `until`, a server's thread by blocking.
final class Gate: Sendable {
    private let state = Protected(false)
    private let semaphore = DispatchSemaphore(value: 0)

    var isOpen: Bool { state.with { $0 } }

    func open() {
        state.with { $0 = true }
        semaphore.signal()
    }

    func wait() {
        semaphore.wait()
        semaphore.signal()
    }
}

/// A port of the loopback at which connections are neither taken nor refused: what comes is dropped, since its queue is full.
final class SilentPort {
    let port: Int
    private var descriptors: [Int32] = []

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        descriptors = [listener]
        let address = try #require(SocketAddress(numeric: "127.0.0.1"))
        try #require(address.withPointer { bind(listener, $0, $1) } == 0)
        try #require(listen(listener, 0) == 0)
        port = LoopbackSocket.port(of: listener)
        let target = address.at(port)
        for _ in 0..<4 {
            let filler = socket(
                AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            _ = target.withPointer { connect(filler, $0, $1) }
            descriptors.append(filler)
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}
