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
