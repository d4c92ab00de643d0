package import HTTP
import Telemetry
import Wire

/// A server on a free port of the loopback, for as long as a test needs it.
package enum Loopback {
    /// Serves with a handler while `body` runs; `body` is given the server's URL and a client.
    package static func serve(
        _ handler: @escaping @Sendable (ServerRequest) async -> ServerResponse,
        limits: HTTPLimits = HTTPLimits(bodyBytes: 1 << 20),
        _ body: @escaping @Sendable (_ base: String, _ client: HTTPClient) async throws -> Void
    ) async throws {
        let listener = HTTPListener(
            address: ListenAddress("127.0.0.1:0")!, limits: limits,
            logger: Logger(label: "test") { _ in SilentLogHandler() },
            handler: HTTPListener.asynchronous(handler))
        let listening = AsyncStream.makeStream(of: Void.self)
        let server = Task { try await listener.run { listening.continuation.finish() } }
        for await _ in listening.stream {}
        let result: Result<Void, any Error>
        do {
            try await HTTPClient.with(HTTPClient.Configuration()) { client in
                try await body("http://127.0.0.1:\(listener.port ?? 0)", client)
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await listener.stop()
        try await server.value
        try result.get()
    }
}

extension HTTPClient {
    /// Sends a request, and waits for its answer as long as a busy machine may need.
    package func send(
        _ method: String = "GET", _ url: String, headers: HeaderFields = [:], body: [UInt8]? = nil
    ) async throws -> ClientResponse {
        try await execute(
            ClientRequest(method, try WebURL(url), headers: headers, body: body), within: .seconds(600),
            body: .whole(64 << 20))
    }

    /// Sends one request over a connection of its own: one that was kept may be closed by the server at the moment it is used again.
    package static func once(
        _ method: String = "GET", _ url: String, headers: HeaderFields = [:], body: [UInt8]? = nil,
        tls: ClientTLSFiles = ClientTLSFiles()
    ) async throws -> ClientResponse {
        var configuration = HTTPClient.Configuration()
        configuration.tls = tls
        configuration.connectTimeout = .seconds(600)
        return try await HTTPClient.with(configuration) { client in
            try await client.send(method, url, headers: headers, body: body)
        }
    }
}
