import Foundation
import Telemetry
import TestSupport
import Testing
import Webhooks
import Wire

@testable import PipelineKit
@testable import Stages

/// Messages, and what the original gateway made of each. `HECATE_CONVERSION_VECTORS` names another file of the same kind.
@Suite struct ConversionVectors {
    struct Vector: Decodable, Sendable, CustomTestStringConvertible {
        struct Item: Decodable, Sendable {
            var id: String
            var data: JSONValue
            var ttl: Int64
        }
        var name, message: String
        var accepted: Bool
        var error: String?
        var item: Item?
        var testDescription: String { name }
    }

    static let vectors: [Vector] = {
        do {
            let data = try Fixtures.data("conversion.json", orFrom: "HECATE_CONVERSION_VECTORS")
            return try JSONDecoder().decode([Vector].self, from: data)
        } catch {
            Issue.record("the vectors cannot be read: \(error)")
            return []
        }
    }()

    /// The clock of the recording: 2026-01-01T00:00:00Z.
    private static let clock = Timestamp(seconds: 1_767_225_600)

    @Test func thereAreVectors() { #expect(!Self.vectors.isEmpty) }

    @Test(arguments: vectors) func convertsAsTheOriginalDid(vector: Vector) throws {
        let transform = try StageMaker.make(
            ArgusItemTransform.self,
            "{partnerIDs: [comcast], schema: webhook, ttl: {from: until, expired: keep}, keepDuration: false}")
        let message = Message(id: "1", payload: Bytes(Array(vector.message.utf8)), receivedAt: Self.clock)
        guard vector.accepted, let expected = vector.item else {
            if Self.isWidened(vector) { return }
            #expect(throws: WebhookError.self) { try transform.transform(message) }
            return
        }
        let made = try transform.transform(message)
        let item = try #require(made.first?.payload as? ArgusItem)
        #expect(item.id == expected.id)
        #expect(item.lifetime.secondsLeft(at: Self.clock) == expected.ttl)
        #expect(try JSONValue(parsing: item.data) == expected.data)
        #expect(!item.isExpired(at: Self.clock))
        let body = try JSONValue(parsing: item.body(at: Self.clock))
        #expect(body == .object(["id": .string(expected.id), "data": expected.data, "ttl": .integer(expected.ttl)]))
    }

    /// Accepted on purpose though the original refused it: a duration as a string, as newer publishers write it.
    private static func isWidened(_ vector: Vector) -> Bool {
        guard let record = try? JSONValue(parsing: Array(vector.message.utf8)),
            case .string(let text) = record["duration"]
        else {
            return false
        }
        return GoDuration.nanoseconds(text) != nil
    }
}
