import HTTP
import PipelineKit

/// Maps responses and errors of HTTP requests to outcomes of messages. The only place that does.
enum HTTPOutcome {
    /// The maximum body that is read of a response whose body is not needed.
    static let statusOnly = BodyLimit.statusSuffices(64 << 10)

    /// Returns `delivered` for 2xx, `transient` for 408, 425, 429 and 5xx (with `Retry-After`), and `permanent` for all
    /// else.
    ///
    /// - Parameter server: the name of the server in messages.
    static func of(_ response: ClientResponse, server: String) -> WriteOutcome {
        switch response.status {
        case 200..<300: .delivered
        case 408, 425, 429, 500...:
            .transient(
                reason: reason(response, server), retryAfter: retryAfter(response.headers["Retry-After"]))
        default: .permanent(reason: reason(response, server))
        }
    }

    /// Returns `transient`, unless the request itself is invalid.
    static func of(_ error: HTTPClientError, server: String) -> WriteOutcome {
        switch error {
        case .invalidRequest: .permanent(reason: "\(error)")
        case .shutDown: .transient(reason: "the sink is closed", retryAfter: nil)
        case .cancelled, .noAddress, .cannotConnect, .tls, .timedOutBeforeSending, .timedOutAfterSending, .closed,
            .closedWithinAnswer, .tooLarge, .malformed:
            .transient(reason: noAnswerReason(error, server: server), retryAfter: nil)
        }
    }

    /// Returns a description of a missing response, for people.
    static func noAnswerReason(_ error: any Error, server: String) -> String { "\(server) does not answer: \(error)" }

    /// Returns a description of a response, for people. For Argus it uses the error in the response's header.
    private static func reason(_ response: ClientResponse, _ server: String) -> String {
        let explanation = response.headers["X-Midt-Error"] ?? response.headers["X-Xmidt-Error"]
        return "\(server) answered \(response.status)" + (explanation.map { ": \($0.prefix(300))" } ?? "")
    }

    /// The maximum `Retry-After` that is honoured, in seconds.
    private static let maximumRetryAfter = 3600

    /// Parses `Retry-After` in seconds. Ignores a date, the other form of RFC 9110; the retry policy's delay applies
    /// then.
    private static func retryAfter(_ value: String?) -> Duration? {
        value.flatMap { Int($0) }.flatMap { $0 >= 0 ? .seconds(min($0, maximumRetryAfter)) : nil }
    }
}
