public import HTTP
import Wire

/// The network as the calls of this module see it: one request, one answer. A value, so that tests can answer themselves.
public struct HTTPTransport: Sendable {
    /// A request.
    public struct Request: Sendable, Equatable {
        /// `GET`, `POST`, ...
        public var method: String
        /// The whole URL, encoded.
        public var url: String
        /// Header fields beside `Host` and `Content-Length`.
        public var headers: [String: String]
        /// The body.
        public var body: [UInt8]

        /// A request.
        public init(_ method: String, _ url: String, headers: [String: String] = [:], body: [UInt8] = []) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
        }
    }

    /// An answer.
    public struct Response: Sendable, Equatable {
        /// The status code.
        public var status: Int
        /// The body.
        public var body: [UInt8]

        /// An answer.
        public init(status: Int, body: [UInt8]) {
            self.status = status
            self.body = body
        }
    }

    /// Sends a request within a time; throws where there is no answer, or one that is too large. Redirects are not
    /// followed.
    public let send: @Sendable (_ request: Request, _ limit: Duration, _ maximumBody: Int) async throws -> Response

    /// A transport of one's own.
    public init(send: @escaping @Sendable (Request, Duration, Int) async throws -> Response) { self.send = send }

    /// The real network, through a client. Throws `HTTPClientError`.
    public static func client(_ client: HTTPClient) -> HTTPTransport {
        HTTPTransport { request, limit, maximumBody in
            let response = try await client.execute(
                try Self.outgoing(request), within: limit, body: .whole(maximumBody))
            return Response(status: response.status, body: response.body)
        }
    }

    private static func outgoing(_ request: Request) throws(HTTPClientError) -> ClientRequest {
        let url: WebURL
        do {
            url = try WebURL(request.url)
        } catch {
            // The URL stays out of it: its query may hold a token.
            throw .invalidRequest(reason: "its URL is none: \(error)")
        }
        var headers = HeaderFields()
        for (name, value) in request.headers.sorted(by: { $0.key < $1.key }) { headers.add(name, value) }
        // What writes says how long its body is, also where it is empty.
        let hasBody = !request.body.isEmpty || request.method == "POST" || request.method == "PUT"
        return ClientRequest(request.method, url, headers: headers, body: hasBody ? request.body : nil)
    }
}
