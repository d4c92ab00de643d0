import ArgusStore
import Foundation
import HTTP
import TestServers
import TestSupport
import Testing
import Wire

/// A session with the original Argus, request by request, over HTTP. `HECATE_ARGUS_VECTORS` names another file of the same kind.
@Suite struct ArgusVectors {
    struct Vector: Decodable, Sendable {
        struct Request: Decodable, Sendable {
            var method, path: String
            var headers: [String: String]
            var body: String?
        }
        struct Response: Decodable, Sendable {
            var status: Int
            var error, contentType: String?
            var body: String
        }
        var name: String
        var request: Request
        var response: Response
    }

    @Test func answersAsTheOriginalDid() async throws {
        let data = try Fixtures.data("argus-http.json", orFrom: "HECATE_ARGUS_VECTORS")
        let vectors = try JSONDecoder().decode([Vector].self, from: data)
        #expect(!vectors.isEmpty)
        // A clock that stands still: the session takes here however long it takes.
        let start = Timestamp.now()
        let service = ArgusService(
            store: try ItemStore(), settings: try .init(auth: "user:pass", ownerPattern: "^.{4,60}$"), now: { start })
        try await Loopback.serve({ await service.answer($0) }) { base, client in
            // One after the other: each builds on what those before it have stored.
            for vector in vectors {
                var headers = HeaderFields()
                for (name, value) in vector.request.headers { headers.add(name, value) }
                let response = try await client.send(
                    vector.request.method, base + vector.request.path, headers: headers,
                    body: vector.request.body.map { Array($0.utf8) })
                let expected = vector.response
                #expect(response.status == expected.status, "\(vector.name)")
                #expect(response.headers["X-Midt-Error"] == expected.error, "\(vector.name)")
                #expect(response.headers["Content-Type"] == expected.contentType, "\(vector.name)")
                try Self.compare(response.body, Array(expected.body.utf8), vector.name)
            }
        }
    }

    private static func compare(_ body: [UInt8], _ expected: [UInt8], _ name: String) throws {
        guard let theirs = try? JSONValue(parsing: expected) else {
            #expect(body == expected, "\(name)")
            return
        }
        let (ourTTLs, ours) = withoutTTL(try JSONValue(parsing: body))
        let (theirTTLs, rest) = withoutTTL(theirs)
        #expect(ours == rest, "\(name)")
        #expect(ourTTLs.count == theirTTLs.count, "\(name)")
        for (left, right) in zip(ourTTLs, theirTTLs) { #expect(abs(left - right) <= 2, "\(name)") }
    }

    /// The ttls of an item or a list of items, and what is left without them.
    private static func withoutTTL(_ value: JSONValue) -> ([Int64], JSONValue) {
        switch value {
        case .array(let items):
            let parts = items.map(withoutTTL)
            return (parts.flatMap(\.0), .array(parts.map(\.1)))
        case .object(var members):
            guard case .integer(let ttl) = members.removeValue(forKey: "ttl") else { return ([], value) }
            return ([ttl], .object(members))
        default: return ([], value)
        }
    }
}
