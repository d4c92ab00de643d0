import Cryptography
public import Wire

/// Signs requests with AWS Signature Version 4 in the `Authorization` header.
///
/// Source: AWS General Reference, "Signing AWS API requests".
public struct SignatureV4: Sendable {
    /// The name of the service, such as `sns`.
    public var service: String
    public var region: String

    public init(service: String, region: String) {
        self.service = service
        self.region = region
    }

    /// Adds `X-Amz-Date`, `X-Amz-Security-Token` if there is a token, and `Authorization` to a request.
    ///
    /// Signs all header fields of the request, except those that proxies change, and `Host`, which is taken from the
    /// URL. The URL's query must be percent-encoded.
    /// - Throws: `SignatureError` if the URL is malformed.
    public func sign(
        _ request: HTTPTransport.Request, credentials: AWSCredentials, at time: Timestamp
    ) throws -> HTTPTransport.Request {
        let url: WebURL
        do {
            url = try WebURL(request.url)
        } catch {
            throw SignatureError(description: "'\(request.url)' is not a URL that can be signed: \(error)")
        }
        var signed = request
        let timestamp = Self.basicFormat(time)
        signed.headers["X-Amz-Date"] = timestamp
        if let token = credentials.sessionToken { signed.headers["X-Amz-Security-Token"] = token }
        let headers = (signed.headers.map { ($0.key.lowercased(), Self.trimmed($0.value)) } + [("host", url.authority)])
            .filter { !Self.unsigned.contains($0.0) }
            .sorted { $0.0 < $1.0 }
        let names = headers.map(\.0).joined(separator: ";")
        let canonicalRequest = [
            request.method, Self.canonicalPath(url.path), Self.canonicalQuery(url),
            headers.map { "\($0.0):\($0.1)\n" }.joined(), names, Hex.encode(Digest.sha256(request.body)),
        ].joined(separator: "\n")
        let date = String(timestamp.prefix(8))
        let scope = "\(date)/\(region)/\(service)/aws4_request"
        let stringToSign = [
            "AWS4-HMAC-SHA256", timestamp, scope, Hex.encode(Digest.sha256(canonicalRequest)),
        ].joined(separator: "\n")
        var key = Array("AWS4\(credentials.secretAccessKey)".utf8)
        for part in [date, region, service, "aws4_request"] { key = HMAC.sha256(key: key, part) }
        let signature = Hex.encode(HMAC.sha256(key: key, stringToSign))
        signed.headers["Authorization"] =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
        return signed
    }

    /// `20260101T000000Z`.
    private static func basicFormat(_ time: Timestamp) -> String {
        RFC3339.format(Timestamp(seconds: time.seconds)).filter { $0 != "-" && $0 != ":" }
    }

    /// Trims white space and collapses consecutive spaces.
    private static func trimmed(_ value: String) -> String {
        value.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
    }

    /// Fields that proxies change, which AWS's libraries do not sign, either.
    private static let unsigned: Set<String> = ["user-agent", "expect", "transfer-encoding", "x-amzn-trace-id"]

    /// Removes dot segments and empty segments, and encodes each segment once more, as all services but S3 require.
    private static func canonicalPath(_ path: String) -> String {
        var segments: [Substring] = []
        for segment in path.split(separator: "/") {
            switch segment {
            case ".": continue
            case "..": _ = segments.popLast()
            default: segments.append(segment)
            }
        }
        let end = path.hasSuffix("/") && !segments.isEmpty ? "/" : ""
        return "/" + segments.map { FormEncoding.encode(String($0)) }.joined(separator: "/") + end
    }

    private static func canonicalQuery(_ url: WebURL) -> String {
        let parts = (url.query ?? "").split(separator: "&").map { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(pair[0]), pair.count > 1 ? String(pair[1]) : "")
        }
        return parts.sorted { $0 < $1 }.map { "\($0)=\($1)" }.joined(separator: "&")
    }
}

/// Why a request cannot be signed.
public struct SignatureError: Error, CustomStringConvertible {
    public let description: String
}
