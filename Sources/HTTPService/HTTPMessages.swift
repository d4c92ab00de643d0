public import HTTPTypes

/// A request, its body read.
public struct HTTPServiceRequest: Sendable {
    /// `GET`, `POST`, ...
    public var method: String
    /// The path without the query, as it was sent (not decoded).
    public var path: String
    /// What stands after `?`.
    public var query: String?
    /// The header fields.
    public var headers: HTTPFields
    /// The body, within the limit.
    public var body: [UInt8]
    /// The address of whoever sent it, without the port; nil where it is not known.
    public var remoteAddress: String?

    /// A request.
    public init(
        method: String, path: String, query: String? = nil, headers: HTTPFields = [:], body: [UInt8] = [],
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
    public func header(_ name: String) -> String? {
        HTTPField.Name(name).flatMap { headers[$0] }
    }
}

/// A body that comes in pieces.
public struct HTTPBodyStream: Sendable, Equatable {
    private final class Identity: Sendable {}

    private let identity = Identity()
    /// The pieces.
    public let pieces: AsyncStream<[UInt8]>

    /// A body of these pieces.
    public init(_ pieces: AsyncStream<[UInt8]>) { self.pieces = pieces }

    /// Only the same one is equal.
    public static func == (left: HTTPBodyStream, right: HTTPBodyStream) -> Bool { left.identity === right.identity }
}

/// An answer.
public struct HTTPServiceResponse: Sendable, Equatable {
    /// The status code.
    public var status: Int
    /// Header fields beside `Content-Length`, `Content-Type` and `Date`.
    public var headers: [String: String]
    /// The type of the body; nil where there is none.
    public var contentType: String?
    /// The body.
    public var body: [UInt8]
    /// What follows the body, piece by piece, until it ends or the client goes.
    public var stream: HTTPBodyStream?

    /// An answer without a body.
    public init(status: Int, headers: [String: String] = [:]) {
        self.init(status: status, headers: headers, contentType: nil, body: [])
    }

    /// An answer with a body.
    public init(status: Int, headers: [String: String] = [:], contentType: String?, body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.contentType = contentType
        self.body = body
    }

    /// An answer in plain text; a line end is added.
    public static func text(_ status: Int, _ text: String, headers: [String: String] = [:]) -> HTTPServiceResponse {
        HTTPServiceResponse(
            status: status, headers: headers, contentType: "text/plain; charset=utf-8", body: Array("\(text)\n".utf8))
    }
}
