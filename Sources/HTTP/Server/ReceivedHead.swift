/// The head of a request.
package struct ReceivedHead: Equatable {
    /// How the end of the body is determined (RFC 9112, 6.3).
    package enum Framing: Equatable {
        case none
        case length(Int)
        case chunked
    }

    package var method = ""
    /// The path as it was sent; `*` for the server as a whole.
    package var path = ""
    package var query: String?
    package var headers = HeaderFields()
    /// Whether this is HTTP/1.0, without chunks and persistent connections.
    package var isVersion10 = false
    /// Whether the client wants a persistent connection (RFC 9112, 9.3).
    package var keepsAlive = true
    /// Whether the client waits for 100 (Continue) before it sends the body (RFC 9110, 10.1.1).
    package var expectsContinue = false
    package var framing = Framing.none

    init() {}
}

/// Why a request is refused: the status of the response, after which the connection is closed because the end of the
/// request is unknown, and the reason for people.
package struct Refusal: Error, Equatable {
    package let status: Int
    package let reason: String

    package init(_ status: Int, _ reason: String) { (self.status, self.reason) = (status, reason) }
}
