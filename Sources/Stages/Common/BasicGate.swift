import HTTP
import PipelineKit

/// Lets in whoever shows the right user and password, where some are asked for.
struct BasicGate: Sendable {
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
    func refusal(of request: HTTPServiceRequest) -> HTTPServiceResponse? {
        guard let expected, !Self.isEqual(Array((request.header("Authorization") ?? "").utf8), expected) else {
            return nil
        }
        return .text(401, "wrong or no user", headers: ["WWW-Authenticate": "Basic realm=\"hecate\""])
    }

    /// Takes as long whatever is different, so that nothing can be learnt from the time.
    private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
