import HTTP
import PipelineKit
import Wire

/// How a client says who it is: basic, a bearer token, or one that it fetches; or not at all.
struct HTTPAuthorization: Sendable {
    private static let basic = Option(
        optional: "basic", .secret, help: "user:password, or a whole header \"Basic ...\"")
    private static let bearer = Option(optional: "bearer", .secret, help: "a token")
    static let option = Option(
        "auth", .group("auth", [basic, bearer, TokenSource.option]), default: Options(), shown: "",
        help: "how to authenticate; else not at all")

    private let tokens: TokenSource?

    /// - Parameter timeout: how long a call may take for which this is.
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

    /// The value of `Authorization` where it is always the same; nil where there is none, or it is fetched.
    let constant: String?

    /// Whether it is fetched.
    var isFetched: Bool { tokens != nil }

    /// Tells the value of `Authorization`, nil for none: at once where it is at hand, else on the client's loop when it was fetched.
    ///
    /// - Parameter done: called once; must not block.
    func header(
        _ client: HTTPClient, done: @escaping @Sendable (Result<String?, TokenSource.Failure>) -> Void
    ) {
        guard let tokens else { return done(.success(constant)) }
        tokens.header(client) { done($0.map { Optional($0) }) }
    }

    /// The value of `Authorization`; nil for none.
    ///
    /// - Throws: why a token cannot be had.
    func header(_ client: HTTPClient) async throws(TokenSource.Failure) -> String? {
        let result = await withCheckedContinuation { continuation in
            header(client) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// It was refused.
    ///
    /// - Returns: whether another will be tried.
    func refused() -> Bool {
        tokens?.invalidate()
        return tokens != nil
    }

    /// The header of `user:password`, of the two in base 64, or of a whole header.
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
            throw OptionError("auth.bearer is no token: it holds white space or characters beyond ASCII")
        }
        return "Bearer \(token)"
    }

    /// Whether a text begins with letters, in any case of theirs.
    private static func begins(_ text: String, with letters: String) -> Bool {
        text.prefix(letters.count).lowercased() == letters
    }
}
