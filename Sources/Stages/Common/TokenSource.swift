import AWS
import AsyncHTTPClient
import Foundation
import NIOCore
import PipelineKit
import Locking
import Wire

/// Bearer tokens of a token endpoint (RFC 6749, section 4.4, client credentials), kept and renewed ahead of their end. Callers
/// at the same time share one request. May be used from any thread.
final class TokenSource: Sendable {
    private static let url = Option("url", .httpAddress, help: "the token endpoint")
    private static let clientID = Option("clientID", .string, help: "the client's id")
    private static let clientSecret = Option("clientSecret", .secret, help: "the client's secret")
    private static let scope = Option(optional: "scope", .string, help: "the scope to ask for")
    private static let refreshBefore = Option(
        "refreshBefore", .duration, default: .seconds(60), shown: "60s",
        help: "how long before its end a token is renewed")

    static let option = Option(
        optional: "token", .group("token", [url, clientID, clientSecret, scope, refreshBefore]),
        help: "a token of an OAuth token endpoint, by client credentials")

    /// Why there is no token. Never holds one, nor the secret.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Token {
        let header: String
        let end: Timestamp
    }

    private struct State {
        var token: Token?
        var request: Task<Token, any Error>?
    }

    /// What a token lives whose endpoint does not say.
    private static let defaultLife: Int64 = 300

    private let address: String
    private let form: String
    private let refreshBefore: Duration
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())

    init(_ options: Options, now: @escaping @Sendable () -> Timestamp) {
        address = options[Self.url].description
        let parameters =
            [
                ("grant_type", "client_credentials"), ("client_id", options[Self.clientID]),
                ("client_secret", options[Self.clientSecret].revealed),
            ] + (options[Self.scope].map { [("scope", $0)] } ?? [])
        form = FormEncoding.form(parameters)
        refreshBefore = options[Self.refreshBefore]
        self.now = now
    }

    /// The value of `Authorization`. A token that ends soon is used on while a new one is fetched.
    ///
    /// - Throws: `Failure` where there is none.
    func header(_ client: HTTPClient) async throws -> String {
        let now = now()
        let (usable, request): (Token?, Task<Token, any Error>?) = state.withLock { state in
            let token = state.token.flatMap { $0.end > now ? $0 : nil }
            if let token, token.end > now + refreshBefore { return (token, nil) }
            let request = state.request ?? Task { try await self.fetch(client) }
            state.request = request
            return (token, request)
        }
        if let usable { return usable.header }
        guard let request else { throw Failure(description: "there is no token") }
        return try await request.value.header
    }

    /// A token was refused: the next is a new one.
    func invalidate() { state.withLock { $0.token = nil } }

    private func fetch(_ client: HTTPClient) async throws -> Token {
        let result: Result<Token, any Error>
        do {
            var request = HTTPClientRequest(url: address)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            request.headers.add(name: "Accept", value: "application/json")
            request.body = .bytes(ByteBuffer(string: form))
            let response = try await client.execute(request, timeout: .seconds(10))
            let body = Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
            guard response.status == .ok else {
                throw Failure(description: "the token endpoint answered \(response.status.code)")
            }
            result = .success(try token(of: body))
        } catch let failure as Failure {
            result = .failure(failure)
        } catch {
            result = .failure(Failure(description: "the token endpoint does not answer: \(error)"))
        }
        state.withLock { state in
            state.request = nil
            if case .success(let token) = result { state.token = token }
        }
        return try result.get()
    }

    private func token(of json: [UInt8]) throws -> Token {
        guard let token = try? FieldPath("access_token")?.text(in: json),
            !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw Failure(description: "the token endpoint answered without a token") }
        let life = (try? FieldPath("expires_in")?.text(in: json)).flatMap { Int64($0) } ?? Self.defaultLife
        return Token(header: "Bearer \(token)", end: now() + .seconds(max(1, min(life, 86_400 * 30))))
    }
}
