import Foundation
import TestSupport
import Testing

/// The Argus sink over TLS: a private authority, and a certificate of its own that the server asks for.
@Suite struct ClientTLSTests {
    private static let topic = "arn:aws:sns:us-east-1:000000000000:direct"

    /// A server that answers 201 to clients that show a certificate it trusts.
    private static let server = """
        import http.server, ssl, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(201); self.send_header("Content-Length", "0"); self.end_headers()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        context.load_verify_locations(sys.argv[4]); context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
        print("serving", flush=True); server.serve_forever()
        """

    @Test func aPrivateAuthorityAndAClientCertificate() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("mtls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        func path(_ name: String) -> String { directory.appendingPathComponent(name).path }
        for name in ["server", "client"] {
            let signer = try SNSSigner()
            try signer.certificate.write(toFile: path("\(name).pem"), atomically: true, encoding: .utf8)
            try signer.privateKey.write(toFile: path("\(name).key"), atomically: true, encoding: .utf8)
        }
        try Self.server.write(toFile: path("server.py"), atomically: true, encoding: .utf8)
        let port = try FreePort.find()
        let server = try ChildProcess(
            URL(fileURLWithPath: "/usr/bin/env"),
            ["python3", path("server.py"), "\(port)", path("server.pem"), path("server.key"), path("client.pem")],
            name: "mtls")
        try await Cluster.eventually("the server is up; \(server.output)") { server.output.contains("serving") }
        func status(_ tls: String) async throws -> Int {
            let gateway = try await GatewayProcess(
                topic: Self.topic, argus: "https://localhost:\(port)\", tls: \(tls), bucket: \"webhooks",
                source: ["subscribe: false", "verifySignature: false"], rest: "retry: {maxElapsed: 0s}")
            let body = try JSONSerialization.data(
                withJSONObject: [
                    "Type": "Notification", "MessageId": "1", "TopicArn": Self.topic, "Message": webhook("http://a/"),
                ])
            let status = try await gateway.post(body).status
            #expect(await gateway.stop() == 0)
            return status
        }
        #expect(
            try await status(
                "{ca: \(path("server.pem")), certificate: \(path("client.pem")), key: \(path("client.key"))}") == 200)
        #expect(try await status("{ca: \(path("server.pem"))}") == 503)
        #expect(try await status("{certificate: \(path("client.pem")), key: \(path("client.key"))}") == 503)
        // It has nothing to end in order.
        await server.stop(within: .zero)
    }
}
