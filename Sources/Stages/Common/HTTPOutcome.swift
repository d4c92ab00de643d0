import NIOHTTP1
import PipelineKit
import Wire

/// What the answer of an HTTP server means for the message that was sent to it.
enum HTTPOutcome {
    /// 2xx are delivered. 408, 425, 429 and 5xx may pass, not before a `Retry-After`. All else is final.
    ///
    /// - Parameter server: how messages name it.
    static func of(_ status: UInt, _ headers: HTTPHeaders, server: String) -> WriteOutcome {
        let said = ["X-Midt-Error", "X-Xmidt-Error"].lazy.compactMap { headers.first(name: $0) }.first
        let reason = "\(server) answered \(status)" + (said.map { ": \($0.prefix(300))" } ?? "")
        switch status {
        case 200..<300: return .delivered
        case 408, 425, 429, 500...:
            return .transient(reason: reason, retryAfter: retryAfter(headers.first(name: "Retry-After")))
        default: return .permanent(reason: reason)
        }
    }

    /// The longest `Retry-After` that is believed, in seconds.
    private static let longest = 3600

    /// `Retry-After` in seconds. A date, the other form RFC 9110 allows, is passed over: the back-off does instead.
    static func retryAfter(_ value: String?) -> Duration? {
        value.flatMap { Int($0) }.flatMap { $0 >= 0 ? .seconds(min($0, longest)) : nil }
    }
}
