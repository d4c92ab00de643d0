import Cryptography
import HTTP
import PipelineKit

/// Authenticates requests with basic credentials, if any are configured.
struct BasicAuthenticator: Sendable {
    private let expected: [UInt8]?

    /// - Parameter option: the option with `user:password`.
    /// - Throws: `OptionError` if the option has neither of the forms.
    init(_ options: Options, _ option: Option<Secret?>) throws {
        do {
            expected = try options[option].map { Array(try HTTPAuthorization.basicHeader($0).utf8) }
        } catch {
            throw OptionError("\(error)", at: options.location(of: option))
        }
    }

    /// Returns the response that refuses a request; nil if the request is allowed.
    func refusal(of request: ServerRequest) -> ServerResponse? {
        guard let expected, !isEqualInConstantTime(Array((request.header("Authorization") ?? "").utf8), expected) else {
            return nil
        }
        return .text(
            401, "authorization is missing or wrong: send user and password with basic authentication",
            headers: ["WWW-Authenticate": "Basic realm=\"hecate\""])
    }
}
