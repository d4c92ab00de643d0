/// What stands before the body of a request.
package struct ReceivedHead: Equatable {
    /// How the end of the body is found (RFC 9112, 6.3).
    package enum Framing: Equatable {
        case none
        case length(Int)
        case chunked
    }

    package var method = ""
    /// The path as it was sent; `*` for a request that is about the server itself.
    package var path = ""
    package var query: String?
    package var headers = HeaderFields()
    /// Whether this is HTTP/1.0, whose clients know neither chunks nor that connections are kept.
    package var isVersion10 = false
    /// Whether the client wants to keep the connection (RFC 9112, 9.3).
    package var keepsAlive = true
    /// Whether the client waits for 100 before it sends the body (RFC 9110, 10.1.1).
    package var expectsContinue = false
    package var framing = Framing.none

    init() {}
}

/// Why a request is not taken: the status of the answer, after which the connection is closed, and the reason for people. Where a
/// request ends cannot be known any more.
package struct Refusal: Error, Equatable {
    package let status: Int
    package let reason: String

    package init(_ status: Int, _ reason: String) { (self.status, self.reason) = (status, reason) }
}
