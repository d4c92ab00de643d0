import HTTP
import PipelineKit

/// What the answer of an HTTP server, or that there is none, means for the message that was sent to it: the one place that says so.
enum HTTPOutcome {
    /// The most of an answer's body that is read where nothing in it is of interest.
    static let statusOnly = BodyLimit.statusSuffices(64 << 10)

    /// 2xx are delivered. 408, 425, 429 and 5xx may pass, not before a `Retry-After`. All else is final.
    ///
    /// - Parameter server: how messages name it.
    static func of(_ response: ClientResponse, server: String) -> WriteOutcome {
        switch response.status {
        case 200..<300: .delivered
        case 408, 425, 429, 500...:
            .transient(
                reason: reason(response, server), retryAfter: retryAfter(response.headers["Retry-After"]))
        default: .permanent(reason: reason(response, server))
        }
    }

    /// Without an answer a message may succeed later, unless it is such that it cannot be sent.
    static func of(_ error: HTTPClientError, server: String) -> WriteOutcome {
        switch error {
        case .invalidRequest: .permanent(reason: "\(error)")
        case .shutDown: .transient(reason: "the sink is closed", retryAfter: nil)
        case .cancelled, .noAddress, .cannotConnect, .tls, .timedOutBeforeSending, .timedOutAfterSending, .closed,
            .closedWithinAnswer, .tooLarge, .malformed:
            .transient(reason: noAnswerReason(error, server: server), retryAfter: nil)
        }
    }

    /// That there is no answer, for people.
    static func noAnswerReason(_ error: any Error, server: String) -> String { "\(server) does not answer: \(error)" }

    /// What an answer says, for people; of Argus with the words that it has for it.
    private static func reason(_ response: ClientResponse, _ server: String) -> String {
        let explanation = response.headers["X-Midt-Error"] ?? response.headers["X-Xmidt-Error"]
        return "\(server) answered \(response.status)" + (explanation.map { ": \($0.prefix(300))" } ?? "")
    }

    /// The longest `Retry-After` that is believed, in seconds.
    private static let maximumRetryAfter = 3600

    /// `Retry-After` in seconds. A date, the other form RFC 9110 allows, is passed over: the back-off does instead.
    private static func retryAfter(_ value: String?) -> Duration? {
        value.flatMap { Int($0) }.flatMap { $0 >= 0 ? .seconds(min($0, maximumRetryAfter)) : nil }
    }
}
