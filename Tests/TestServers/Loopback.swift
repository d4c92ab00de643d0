package import AsyncHTTPClient
package import HTTP
import Logging

/// A server on a free port of the loopback, for as long as a test needs it.
package enum Loopback {
    /// Serves with a handler while `body` runs; `body` is given the server's URL and a client.
    package static func serve(
        _ handler: @escaping HTTPListener.Handler, limits: HTTPLimits = HTTPLimits(bodyBytes: 1 << 20),
        _ body: @escaping @Sendable (_ base: String, _ client: HTTPClient) async throws -> Void
    ) async throws {
        let listener = HTTPListener(
            address: ListenAddress("127.0.0.1:0")!, limits: limits,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, handler: handler)
        let listening = AsyncStream.makeStream(of: Void.self)
        let server = Task { try await listener.run { listening.continuation.finish() } }
        for await _ in listening.stream {}
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        let result: Result<Void, any Error>
        do {
            try await body("http://127.0.0.1:\(listener.port ?? 0)", client)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        await listener.stop()
        try await server.value
        try result.get()
    }
}
