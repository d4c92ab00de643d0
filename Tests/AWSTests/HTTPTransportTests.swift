import HTTP
import TestSupport
import Testing
import Wire

@testable import AWS

@Suite struct HTTPTransportTests {
    private func with(
        _ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> ScriptedServer.Action,
        _ body: (HTTPTransport, _ base: String, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try ScriptedServer(script)
        defer { server.close() }
        try await HTTPClient.with { client in
            try await body(HTTPTransport.client(client), "http://127.0.0.1:\(server.port)", server)
        }
    }

    @Test func aRequestIsSentAsItIsAndItsAnswerIsRead() async throws {
        try await with({ _, _ in .send("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello") }) {
            transport, base, server in
            let answer = try await transport.send(
                .init("POST", base + "/a%20b?c=d", headers: ["X-Amz-Date": "now"], body: Array("body".utf8)),
                .seconds(60), 100)
            #expect(answer == .init(status: 403, body: Array("hello".utf8)))
            let request = try #require(server.requests.first).text
            #expect(request.hasPrefix("POST /a%20b?c=d HTTP/1.1\r\n") && request.hasSuffix("\r\n\r\nbody"))
            #expect(request.contains("X-Amz-Date: now\r\n") && request.contains("Content-Length: 4\r\n"))
            _ = try await transport.send(.init("PUT", base), .seconds(60), 100)
            #expect(try #require(server.requests.last).text.contains("Content-Length: 0\r\n"))
            _ = try await transport.send(.init("GET", base), .seconds(60), 100)
            #expect(try !#require(server.requests.last).text.contains("Content-Length"))
        }
    }

    @Test func whatIsTooLargeOrNoURLIsAnError() async throws {
        try await with({ _, _ in .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") }) { transport, base, _ in
            await #expect(throws: HTTPClientError.tooLarge) {
                try await transport.send(.init("GET", base), .seconds(60), 4)
            }
            await #expect(throws: HTTPClientError.invalidRequest(reason: "its URL is malformed: it has no host")) {
                try await transport.send(.init("GET", "https:///secret"), .seconds(60), 4)
            }
        }
    }

    @Test func aRequestThatIsSignedGoesOutWithTheHostThatWasSigned() async throws {
        try await with({ _, _ in .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") }) {
            transport, base, server in
            let client = SQSClient(
                queueURL: "\(base)/000000000000/queue", region: "us-east-1", endpoint: nil,
                credentials: StaticCredentials(AWSCredentials(accessKeyID: "a", secretAccessKey: "b")),
                transport: transport)
            #expect(try await client.approximateDepth() == 0)
            let request = try #require(server.requests.first).text
            #expect(request.hasPrefix("POST / HTTP/1.1\r\n") && request.contains("Host: 127.0.0.1:\(server.port)\r\n"))
            #expect(request.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target"))
        }
    }

    @Test(arguments: [
        ("https://sns.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com"),
        ("https://SNS.example:443/", "sns.example"), ("http://localhost:443", "localhost:443"),
        ("http://[::1]:4566/?a=b", "[::1]:4566"),
    ])
    func theHostThatIsSignedIsThatOfTheRequestLine(url: String, host: String) throws {
        let signer = SignatureV4(service: "sns", region: "us-east-1")
        let (credentials, time) = (AWSCredentials(accessKeyID: "a", secretAccessKey: "b"), Timestamp(seconds: 0))
        let signed = try signer.sign(.init("GET", url), credentials: credentials, at: time)
        #expect(try WebURL(url).authority == host)
        #expect(signed.headers["Authorization"]?.contains("SignedHeaders=host;x-amz-date,") == true)
        for bad in ["", "sns", "ftp://a/", "http://a b/", "http://u:p@a/", "http://a:0/", "http://a/\n"] {
            #expect(throws: SignatureError.self) {
                try signer.sign(.init("GET", bad), credentials: credentials, at: time)
            }
        }
    }
}
