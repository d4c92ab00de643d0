public import AsyncHTTPClient
import NIOCore

/// The network as the calls of this room see it: one request, one answer. A value, so that tests can answer themselves.
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
    public let send: @Sendable (_ request: Request, _ limit: Duration, _ largestBody: Int) async throws -> Response

    /// A transport of one's own.
    public init(send: @escaping @Sendable (Request, Duration, Int) async throws -> Response) { self.send = send }

    /// The real network, through a client that must not follow redirects.
    public static func client(_ client: HTTPClient) -> HTTPTransport {
        HTTPTransport { request, limit, largestBody in
            var outgoing = HTTPClientRequest(url: request.url)
            outgoing.method = .init(rawValue: request.method)
            for (name, value) in request.headers { outgoing.headers.add(name: name, value: value) }
            if !request.body.isEmpty { outgoing.body = .bytes(request.body) }
            let response = try await client.execute(
                outgoing, timeout: .nanoseconds(limit.components.seconds * 1_000_000_000))
            let body = try await response.body.collect(upTo: largestBody)
            return Response(status: Int(response.status.code), body: Array(body.readableBytesView))
        }
    }
}
