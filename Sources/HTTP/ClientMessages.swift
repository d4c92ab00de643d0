public import Wire

public struct ClientRequest: Sendable {
    /// `GET`, `PUT`, ...
    public var method: String
    /// The URL: the host and port to connect to, and the target of the request line.
    public var url: WebURL
    /// The header fields. `Content-Length` and `Transfer-Encoding` are ignored, because the client writes them. `Host`
    /// replaces the URL's; `Connection: close` closes the connection after the response.
    public var headers: HeaderFields
    /// The body; nil for none. An empty body is sent with `Content-Length: 0`.
    public var body: [UInt8]?

    public init(_ method: String = "GET", _ url: WebURL, headers: HeaderFields = [:], body: [UInt8]? = nil) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

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

/// Why there is no response.
public enum HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The client was shut down.
    case shutDown
    /// The exchange was cancelled.
    case cancelled
    /// The host name has no address. Nothing was sent.
    case noAddress(host: String, reason: String)
    /// No address accepted a connection; the reason of the last one. Nothing was sent.
    case cannotConnect(reason: String)
    /// The TLS handshake failed, with OpenSSL's reason, or the system's roots cannot be read. Nothing was sent, or the
    /// server refused the client's certificate after the request (as TLS 1.3 allows).
    case tls(reason: String)
    /// The timeout passed before the request was sent: while waiting for a connection or opening one.
    case timedOutBeforeSending
    /// The timeout passed after a part of the request was sent: the server may have processed it.
    case timedOutAfterSending
    /// The connection was closed or reset before a response.
    case closed
    /// The connection was closed or reset within a response.
    case closedWithinAnswer
    /// The head or the body exceeds its limit.
    case tooLarge
    /// The response is no valid HTTP/1.1, or its length is ambiguous.
    case malformed(reason: String)
    /// The request cannot be sent, for example because of a line break in a header field.
    case invalidRequest(reason: String)

    /// The reason, for people. Never holds header fields or the path and query of a URL.
    public var description: String {
        switch self {
        case .shutDown: "the client is shut down"
        case .cancelled: "the request was cancelled"
        case .noAddress(let host, let reason): "no connection: the name \(host) has no address (\(reason))"
        case .cannotConnect(let reason): "no connection: \(reason)"
        case .tls(let reason): "no connection: TLS: \(reason)"
        case .timedOutBeforeSending: "no connection in time; nothing was sent"
        case .timedOutAfterSending: "no answer in time"
        case .closed: "the connection was closed without an answer"
        case .closedWithinAnswer: "the connection was closed within an answer"
        case .tooLarge: "the answer is too large"
        case .malformed(let reason): "the answer is not HTTP/1.1: \(reason)"
        case .invalidRequest(let reason): "the request cannot be sent: \(reason)"
        }
    }
}
