/// A response with its body.
public struct ClientResponse: Sendable {
    /// The status, 200 to 599. Interim responses (1xx) are skipped.
    public var status: Int
    public var headers: HeaderFields
    /// The body, up to the limit of the request. Empty if `isBodyCut`.
    public var body: [UInt8]
    /// Whether the body exceeded the limit or, with a status of 300 or more, was truncated. Only with
    /// `BodyLimit.statusSuffices`.
    public var isBodyCut: Bool

    public init(status: Int, headers: HeaderFields = [:], body: [UInt8] = [], isBodyCut: Bool = false) {
        self.status = status
        self.headers = headers
        self.body = body
        self.isBodyCut = isBodyCut
    }
}

/// How much of a response's body is read.
public enum BodyLimit: Sendable, Equatable {
    /// At most this many bytes. A larger response fails with `HTTPClientError.tooLarge`, a truncated one with
    /// `closedWithinAnswer`.
    case whole(Int)
    /// At most this many bytes. Of a larger response only the status is returned (`ClientResponse.isBodyCut`), and the
    /// connection is closed. The status of an error is returned even if the response is truncated or times out; a
    /// truncated response is never a success.
    case statusSuffices(Int)
}
