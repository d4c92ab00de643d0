/// A request that a listener received, its body read.
public struct ServerRequest: Sendable {
    /// `GET`, `POST`, ...
    public var method: String
    /// The path without the query, as it was sent (not decoded).
    public var path: String
    /// What stands after `?`, as it was sent; nil where there is no `?`.
    public var query: String?
    /// The header fields.
    public var headers: HeaderFields
    /// The body, within the listener's limit for this path.
    public var body: [UInt8]
    /// The address of the client, without the port; nil for a Unix domain socket.
    public var remoteAddress: String?

    /// A request.
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

    /// The first value of a header field, by its name in any case.
    public func header(_ name: String) -> String? { headers[name] }
}

/// A body that is sent piece by piece. Two of them are equal only where they are the same one.
public struct BodyStream: Sendable, Equatable {
    private final class Identity: Sendable {}

    private let identity = Identity()
    /// The pieces. The next is asked for when the client has taken those before it.
    public let pieces: AsyncStream<[UInt8]>

    /// A body of these pieces.
    public init(_ pieces: AsyncStream<[UInt8]>) { self.pieces = pieces }

    /// Compares identities.
    public static func == (left: BodyStream, right: BodyStream) -> Bool { left.identity === right.identity }
}

/// The answer to a request.
public struct ServerResponse: Sendable, Equatable {
    /// The status code.
    public var status: Int
    /// Header fields beside `Content-Length`, `Content-Type`, `Date` and `Connection`, which the listener writes.
    public var headers: HeaderFields
    /// The type of the body; nil where there is none.
    public var contentType: String?
    /// The body.
    public var body: [UInt8]
    /// What follows the body, piece by piece, until it ends or the client goes.
    public var stream: BodyStream?

    /// An answer without a body.
    public init(status: Int, headers: HeaderFields = [:]) {
        self.init(status: status, headers: headers, contentType: nil, body: [])
    }

    /// An answer with a body.
    public init(status: Int, headers: HeaderFields = [:], contentType: String?, body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.contentType = contentType
        self.body = body
    }

    /// An answer in plain text; a line end is added.
    public static func text(_ status: Int, _ text: String, headers: HeaderFields = [:]) -> ServerResponse {
        ServerResponse(
            status: status, headers: headers, contentType: "text/plain; charset=utf-8", body: Array("\(text)\n".utf8))
    }
}
