import Foundation
import TestSupport
import Testing
import Wire

@testable import AWS

/// Requests with the signatures they have to get. `HECATE_SIGV4_VECTORS` names another file of the same kind.
@Suite struct SignatureV4Vectors {
    struct Vector: Decodable, CustomTestStringConvertible {
        struct Request: Decodable {
            var method, url, body: String
            var headers: [String: String]
        }
        struct Credentials: Decodable {
            var accessKeyID, secretAccessKey: String
            var sessionToken: String?
        }
        var name, service, region, time: String
        var request: Request
        var credentials: Credentials
        var signed: [String: String]
        var testDescription: String { name }
    }

    static let vectors: [Vector] = {
        do {
            let data = try Fixtures.data("sigv4.json", orFrom: "HECATE_SIGV4_VECTORS")
            return try JSONDecoder().decode([Vector].self, from: data)
        } catch {
            Issue.record("the vectors cannot be read: \(error)")
            return []
        }
    }()

    @Test(arguments: vectors) func signsAsAWSDoes(vector: Vector) throws {
        let time = vector.time
        let text =
            "\(time.prefix(4))-\(time.dropFirst(4).prefix(2))-\(time.dropFirst(6).prefix(5)):\(time.dropFirst(11).prefix(2)):\(time.dropFirst(13))"
        let request = HTTPTransport.Request(
            vector.request.method, vector.request.url, headers: vector.request.headers,
            body: Array(vector.request.body.utf8))
        let signed = try SignatureV4(service: vector.service, region: vector.region).sign(
            request,
            credentials: AWSCredentials(
                accessKeyID: vector.credentials.accessKeyID, secretAccessKey: vector.credentials.secretAccessKey,
                sessionToken: vector.credentials.sessionToken),
            at: try #require(RFC3339.parse(text)).timestamp)
        for (name, value) in vector.signed { #expect(signed.headers[name] == value, "\(name)") }
    }

    @Test func thereAreVectors() { #expect(!Self.vectors.isEmpty) }
}
