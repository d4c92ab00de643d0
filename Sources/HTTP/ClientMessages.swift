public import Wire

/// A request to a server.
public struct ClientRequest: Sendable {
    /// `GET`, `PUT`, ...
    public var method: String
    /// Where to: the host and port to connect to, and the target of the request line.
    public var url: WebURL
    /// Header fields. `Content-Length` and `Transfer-Encoding` among them are passed over: the client writes what is true. `Host` is sent
    /// in place of the URL's, `Connection: close` ends the connection behind the answer.
    public var headers: HeaderFields
    /// The body; nil for none. An empty one is sent as `Content-Length: 0`.
    public var body: [UInt8]?

    /// A request.
    public init(_ method: String = "GET", _ url: WebURL, headers: HeaderFields = [:], body: [UInt8]? = nil) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// The answer of a server, its body read.
public struct ClientResponse: Sendable {
    /// The status code, 200 to 599; interim answers (1xx) are passed over.
    public var status: Int
    /// The header fields.
    public var headers: HeaderFields
    /// The body, up to the most that was asked for. Empty where `isBodyCut`.
    public var body: [UInt8]
    /// Whether the body was longer than asked for, or, with a status from 300 on, its end did not come: the status is known, the body is
    /// not. Only where the request said that the status is enough (`BodyLimit.statusSuffices`).
    public var isBodyCut: Bool

    /// An answer.
    public init(status: Int, headers: HeaderFields = [:], body: [UInt8] = [], isBodyCut: Bool = false) {
        self.status = status
        self.headers = headers
        self.body = body
        self.isBodyCut = isBodyCut
    }
}

/// How much of an answer's body is read.
public enum BodyLimit: Sendable, Equatable {
    /// At most so many bytes; an answer with more fails as `HTTPClientError.tooLarge`, one that is cut off as `closedWithinAnswer`.
    case whole(Int)
    /// At most so many bytes; of an answer with more, only the status is told (`ClientResponse.isBodyCut`), and the connection ends. The
    /// status of a refusal or a failure is told also where the answer is cut off, or the time ends within it; half an answer is never a
    /// success.
    case statusSuffices(Int)
}

/// Why there is no answer.
public enum HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The client was shut down.
    case shutDown
    /// The task that waited was cancelled.
    case cancelled
    /// The host's name has no address. Nothing was sent.
    case noAddress(host: String, reason: String)
    /// No address took a connection; the reason of the last. Nothing was sent.
    case cannotConnect(reason: String)
    /// The TLS handshake failed: what OpenSSL says of the certificate, or of the protocol; or the system's roots cannot be read. Nothing
    /// was sent, or the server refused what was sent since it does not accept the client's certificate (TLS 1.3 tells so late).
    case tls(reason: String)
    /// The time was up before the request was sent, while waiting for a connection or for one to be made.
    case timedOutBeforeSending
    /// The time was up after the request, or a part of it, was sent: the server may have done what was asked.
    case timedOutAfterSending
    /// The connection was closed or reset before an answer began.
    case closed
    /// The connection was closed or reset within an answer.
    case closedWithinAnswer
    /// The head or the body is larger than allowed.
    case tooLarge
    /// What came is no HTTP/1.1 answer, or one whose length is ambiguous.
    case malformed(reason: String)
    /// The request cannot be sent as it is, such as a header field with a line break.
    case invalidRequest(reason: String)

    /// The reason for people. Never holds a header field, nor a URL's path or query.
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
