import Cryptography
import HTTP
import PipelineKit

/// Lets in whoever shows the right user and password, where some are asked for.
struct BasicAuthenticator: Sendable {
    private let expected: [UInt8]?

    /// - Parameter option: the option that holds user:password.
    /// - Throws: `OptionError` where that is neither of the forms.
    init(_ options: Options, _ option: Option<Secret?>) throws {
        do {
            expected = try options[option].map { Array(try HTTPAuthorization.basicHeader($0).utf8) }
        } catch {
            throw OptionError("\(error)", at: options.location(of: option))
        }
    }

    /// The answer to who is not let in; nil for who is.
    func refusal(of request: ServerRequest) -> ServerResponse? {
        guard let expected, !isEqualInConstantTime(Array((request.header("Authorization") ?? "").utf8), expected) else {
            return nil
        }
        return .text(401, "wrong or no user", headers: ["WWW-Authenticate": "Basic realm=\"hecate\""])
    }
}
