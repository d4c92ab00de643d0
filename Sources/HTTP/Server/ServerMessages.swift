/// A received request with its body.
public struct ServerRequest: Sendable {
    /// `GET`, `POST`, ...
    public var method: String
    /// The path without the query, not decoded.
    public var path: String
    /// The part after `?`, not decoded; nil without one.
    public var query: String?
    public var headers: HeaderFields
    /// The body, within the limit of its path.
    public var body: [UInt8]
    /// The client's address without port; nil for a Unix domain socket.
    public var remoteAddress: String?

    public init(
        method: String, path: String, query: String? = nil, headers: HeaderFields = [:], body: [UInt8] = [],
        remoteAddress: String? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
    }

    /// Returns the first value of a header field, ignoring case.
    public func header(_ name: String) -> String? { headers[name] }
}

/// A streamed body. Compared by identity.
public struct BodyStream: Sendable, Equatable {
    private final class Identity: Sendable {}

    private let identity = Identity()
    /// The pieces. Each is requested when the client has read the last.
    public let pieces: AsyncStream<[UInt8]>

    public init(_ pieces: AsyncStream<[UInt8]>) { self.pieces = pieces }

    public static func == (left: BodyStream, right: BodyStream) -> Bool { left.identity === right.identity }
}

/// The response to a request.
public struct ServerResponse: Sendable, Equatable {
    public var status: Int
    /// Header fields except `Content-Length`, `Content-Type`, `Date` and `Connection`, which the listener writes.
    public var headers: HeaderFields
    /// The type of the body; nil without one.
    public var contentType: String?
    public var body: [UInt8]
    /// The rest of the body, streamed until it ends or the client disconnects.
    public var stream: BodyStream?

    /// Makes a response without a body.
    public init(status: Int, headers: HeaderFields = [:]) {
        self.init(status: status, headers: headers, contentType: nil, body: [])
    }

    /// Makes a response with a body.
    public init(status: Int, headers: HeaderFields = [:], contentType: String?, body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.contentType = contentType
        self.body = body
    }

    /// Makes a plain text response; adds a line end.
    public static func text(_ status: Int, _ text: String, headers: HeaderFields = [:]) -> ServerResponse {
        ServerResponse(
            status: status, headers: headers, contentType: "text/plain; charset=utf-8", body: Array("\(text)\n".utf8))
    }
}
