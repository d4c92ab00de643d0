import AsyncHTTPClient

/// HTTP for a few calls of a command, which fails at once where nobody listens.
enum ShortClient {
    /// Runs `body` with a client that is shut down afterwards.
    static func with<Result>(_ body: (HTTPClient) async throws -> Result) async throws -> Result {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        // The client's own attempts to connect would go on until the time is up.
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            let result = try await body(client)
            try await client.shutdown()
            return result
        } catch {
            try? await client.shutdown()
            throw error
        }
    }
}
