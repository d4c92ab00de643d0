import HTTP
import PipelineKit
import Wire

/// The authorization of a client: basic credentials, a bearer token, a fetched token, or none.
struct HTTPAuthorization: Sendable {
    private static let basic = Option(
        optional: "basic", .secret, help: "user:password, or a whole header \"Basic ...\"")
    private static let bearer = Option(optional: "bearer", .secret, help: "a token")
    static let option = Option(
        "auth", .group("auth", [basic, bearer, TokenSource.option]), default: Options(), shown: "",
        help: "how to authenticate; by default not at all")

    private let tokens: TokenSource?

    /// - Parameter timeout: the timeout of the calls to authorize.
    init(_ options: Options, timeout: Duration, now: @escaping @Sendable () -> Timestamp) throws {
        let auth = options[Self.option]
        tokens = auth[TokenSource.option].map { TokenSource($0, timeout: timeout, now: now) }
        switch (auth[Self.basic], auth[Self.bearer], tokens) {
        case (let basic?, nil, nil): constant = try Self.basicHeader(basic)
        case (nil, let token?, nil): constant = try Self.bearerHeader(token)
        case (nil, nil, _): constant = nil
        default:
            throw OptionError("'basic', 'bearer' and 'token' exclude each other", at: options.location(of: Self.option))
        }
    }

    /// The constant value of `Authorization`; nil if there is none or it is fetched.
    let constant: String?

    /// Whether a token is fetched.
    var isFetched: Bool { tokens != nil }

    /// Calls `done` with the value of `Authorization`, or nil for none: at once if it is known, else on the client's
    /// event loop when it was fetched.
    ///
    /// - Parameter done: called once; must not block.
    func header(
        _ client: HTTPClient, done: @escaping @Sendable (Result<String?, TokenSource.Failure>) -> Void
    ) {
        guard let tokens else { return done(.success(constant)) }
        tokens.header(client) { done($0.map { Optional($0) }) }
    }

    /// Returns the value of `Authorization`; nil for none.
    ///
    /// - Throws: why a token cannot be fetched.
    func header(_ client: HTTPClient) async throws(TokenSource.Failure) -> String? {
        let result = await withCheckedContinuation { continuation in
            header(client) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Handles a refusal by the server.
    ///
    /// - Returns: whether another token will be tried.
    func refused() -> Bool {
        tokens?.invalidate()
        return tokens != nil
    }

    /// Returns the header for `user:password`, for the same in base 64, or for a whole header.
    static func basicHeader(_ secret: Secret) throws -> String {
        let text = secret.revealed
        let encoded =
            if begins(text, with: "basic ") {
                String(text.dropFirst(6))
            } else if text.utf8.contains(UInt8(ascii: ":")) {
                Base64.encode(Array(text.utf8))
            } else {
                text
            }
        guard let decoded = Base64.decode(encoded), decoded.contains(UInt8(ascii: ":")) else {
            throw OptionError("auth.basic is neither user:password nor \"Basic\" with the two in base 64")
        }
        return "Basic \(encoded)"
    }

    private static func bearerHeader(_ secret: Secret) throws -> String {
        let text = secret.revealed
        let token = begins(text, with: "bearer ") ? String(text.dropFirst(7)) : text
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw OptionError("auth.bearer is no token: it contains white space or non-ASCII characters")
        }
        return "Bearer \(token)"
    }

    /// Returns whether a text begins with these letters, ignoring case.
    private static func begins(_ text: String, with letters: String) -> Bool {
        text.prefix(letters.count).lowercased() == letters
    }
}
