import AsyncHTTPClient
import Locking

/// The client of a stage from its opening to its closing. May be used from any thread.
final class HTTPClientSlot: Sendable {
    private let slot = Mutex<HTTPClient?>(nil)

    /// The client; nil where the stage is not open.
    var client: HTTPClient? { slot.withLock { $0 } }

    /// Puts a client in, and shuts down one that was there.
    func open(_ made: HTTPClient) async throws {
        let previous = slot.withLock { slot in
            defer { slot = made }
            return slot
        }
        try await previous?.shutdown()
    }

    /// Shuts the client down; nothing where there is none.
    func close() async {
        let last = slot.withLock { slot in
            defer { slot = nil }
            return slot
        }
        // A client that cannot be shut down in order is shut down already.
        try? await last?.shutdown()
    }

    /// Runs `body` with a client that is shut down afterwards.
    static func with<Result: Sendable>(
        _ client: HTTPClient, _ body: (HTTPClient) async throws -> Result
    ) async throws -> Result {
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
