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
