public import HTTP
import Wire

/// The HTTP transport of this module: one request, one response. A value, so that tests can provide the responses.
public struct HTTPTransport: Sendable {
    public struct Request: Sendable, Equatable {
        public var method: String
        /// The URL, encoded.
        public var url: String
        /// Header fields except `Host` and `Content-Length`.
        public var headers: [String: String]
        public var body: [UInt8]

        public init(_ method: String, _ url: String, headers: [String: String] = [:], body: [UInt8] = []) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
        }
    }

    public struct Response: Sendable, Equatable {
        public var status: Int
        public var body: [UInt8]

        public init(status: Int, body: [UInt8]) {
            self.status = status
            self.body = body
        }
    }

    /// Sends a request within a time limit. Throws if there is no response or it is too large. Does not follow
    /// redirects.
    public let send: @Sendable (_ request: Request, _ limit: Duration, _ maximumBody: Int) async throws -> Response

    /// Makes a custom transport.
    public init(send: @escaping @Sendable (Request, Duration, Int) async throws -> Response) { self.send = send }

    /// Makes a transport that uses an HTTP client. Throws `HTTPClientError`.
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
            // Without the URL: its query may hold a token.
            throw .invalidRequest(reason: "its URL is malformed: \(error)")
        }
        var headers = HeaderFields()
        for (name, value) in request.headers.sorted(by: { $0.key < $1.key }) { headers.add(name, value) }
        // A request that writes needs a length, even for an empty body.
        let hasBody = !request.body.isEmpty || request.method == "POST" || request.method == "PUT"
        return ClientRequest(request.method, url, headers: headers, body: hasBody ? request.body : nil)
    }
}
