import AWS
import HTTP
import Locking
import PipelineKit
import Wire

/// Fetches and caches bearer tokens (RFC 6749, section 4.4, client credentials), and renews them before they expire.
/// Concurrent callers share one request. Thread-safe.
final class TokenSource: Sendable {
    private static let url = Option("url", .httpAddress, help: "the token endpoint")
    private static let clientID = Option("clientID", .string, help: "the client's id")
    private static let clientSecret = Option("clientSecret", .secret, help: "the client's secret")
    private static let scope = Option(optional: "scope", .string, help: "the scope to ask for")
    private static let refreshBefore = Option(
        "refreshBefore", .duration, default: .seconds(60), shown: "60s",
        help: "how long before its expiry a token is renewed")

    static let option = Option(
        optional: "token", .group("token", [url, clientID, clientSecret, scope, refreshBefore]),
        help: "a token from an OAuth token endpoint, with client credentials")

    /// Why there is no token. Never holds a token or the secret.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Token {
        let header: String
        let end: Timestamp
    }

    private struct State {
        var token: Token?
        var isFetching = false
        /// The callers that wait for the token that is being fetched.
        var waiting: [@Sendable (Result<String, Failure>) -> Void] = []
    }

    /// The lifetime of a token whose endpoint does not report one.
    private static let defaultLifetime: Int64 = 300
    /// The bounds of the timeout for fetching a token, which is otherwise that of the call that needs it: a call may be
    /// shorter than a token endpoint is slow, and a message must be answered or retried while its sender waits.
    private static let fetchTimes = Duration.seconds(5)...Duration.seconds(10)

    private let request: ClientRequest
    private let refreshBefore: Duration
    private let timeout: Duration
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())

    /// - Parameter timeout: the timeout of the calls that need a token.
    init(_ options: Options, timeout: Duration, now: @escaping @Sendable () -> Timestamp) {
        let parameters =
            [
                ("grant_type", "client_credentials"), ("client_id", options[Self.clientID]),
                ("client_secret", options[Self.clientSecret].revealed),
            ] + (options[Self.scope].map { [("scope", $0)] } ?? [])
        request = ClientRequest(
            "POST", options[Self.url].url,
            headers: ["Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"],
            body: Array(FormEncoding.form(parameters).utf8))
        refreshBefore = options[Self.refreshBefore]
        self.timeout = min(max(timeout, Self.fetchTimes.lowerBound), Self.fetchTimes.upperBound)
        self.now = now
    }

    /// Calls `done` with the value of `Authorization`: at once if there is a valid token (one that expires soon is
    /// renewed meanwhile), else on the client's event loop when a token was fetched.
    ///
    /// - Parameter done: called once; must not block.
    func header(_ client: HTTPClient, done: @escaping @Sendable (Result<String, Failure>) -> Void) {
        let now = now()
        let (usable, shouldFetch): (String?, Bool) = state.withLock { state in
            let token = state.token.flatMap { $0.end > now ? $0 : nil }
            if let token, token.end > now + refreshBefore { return (token.header, false) }
            if token == nil { state.waiting.append(done) }
            defer { state.isFetching = true }
            return (token?.header, !state.isFetching)
        }
        if shouldFetch { fetch(client) }
        if let usable { done(.success(usable)) }
    }

    /// Discards a token that was refused.
    func invalidate() { state.withLock { $0.token = nil } }

    private func fetch(_ client: HTTPClient) {
        client.execute(request, within: timeout, body: .whole(1 << 20)) { [self] answer in
            let result = token(of: answer)
            let waiting = state.withLock { state in
                state.isFetching = false
                if case .success(let token) = result { state.token = token }
                defer { state.waiting = [] }
                return state.waiting
            }
            for done in waiting { done(result.map(\.header)) }
        }
    }

    private func token(of answer: Result<ClientResponse, HTTPClientError>) -> Result<Token, Failure> {
        switch answer {
        case .success(let response):
            guard response.status == 200 else {
                return .failure(Failure(description: "the token endpoint answered \(response.status)"))
            }
            return Result { () throws(Failure) in try token(of: response.body) }
        case .failure(let error):
            return .failure(Failure(description: HTTPOutcome.noAnswerReason(error, server: "the token endpoint")))
        }
    }

    private func token(of json: [UInt8]) throws(Failure) -> Token {
        guard let token = try? FieldPath("access_token")?.text(in: json),
            !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw Failure(description: "the token endpoint answered without a token") }
        let lifetime = (try? FieldPath("expires_in")?.text(in: json)).flatMap { Int64($0) } ?? Self.defaultLifetime
        return Token(header: "Bearer \(token)", end: now() + .seconds(max(1, min(lifetime, 86_400 * 30))))
    }
}
