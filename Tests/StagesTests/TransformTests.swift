import TestSupport
import Testing
import Webhooks
import Wire

@testable import PipelineKit
@testable import Stages

@Suite struct ArgusItemTransformTests {
    private let clock = Timestamp(seconds: 1_767_225_600)

    private func item(_ options: String, _ record: String, published: Timestamp? = nil) throws -> ArgusItem {
        let transform = try StageMaker.make(ArgusItemTransform.self, options)
        let message = Message(
            id: "1", payload: Bytes(Array(record.utf8)), publishedAt: published, receivedAt: clock)
        return try #require(try transform.transform(message).first?.payload as? ArgusItem)
    }

    private func record(_ rest: String) -> String { #"{"config":{"url":"http://a/"},"events":["e"]\#(rest)}"# }

    @Test(arguments: [
        // The duration counts from the publication, and the record's until caps it.
        ("{}", #","duration":3000000000000,"until":"2026-01-01T00:50:00Z""#, 3000),
        ("{}", #","duration":3000000000000,"until":"2026-01-01T00:10:00Z""#, 600),
        ("{}", #","duration":300000000000,"until":"2027-01-01T00:00:00Z""#, 300),
        ("{ttl: {from: until}}", #","duration":300000000000,"until":"2026-01-01T00:50:00Z""#, 3000),
        ("{ttl: {from: earliest}}", #","duration":300000000000,"until":"2026-01-01T00:50:00Z""#, 300),
        ("{ttl: {max: 100s}}", #","duration":300000000000,"until":"2027-01-01T00:00:00Z""#, 100),
        ("{ttl: {min: 1h}}", #","duration":300000000000,"until":"2027-01-01T00:00:00Z""#, 3600),
        // Legacy records count in seconds.
        ("{}", #","duration":120,"until":0"#, 120), ("{}", #","duration":0,"until":0"#, 300_000),
        ("{}", #","duration":-1,"until":1767229200"#, 3600), ("{}", #","duration":300001,"until":0"#, 300_000),
        // The newer registration: seconds, or text.
        ("{}", #","duration":3000"#, 3000), ("{}", #","duration":"1h30m""#, 5400),
        ("{}", #","duration":"1.5h","until":"2027-01-01T00:00:00Z""#, 5400),
        ("{bareDuration: nanoseconds}", #","duration":3000000000"#, 3), ("{}", "", 300), ("{}", #","duration":0"#, 300),
        ("{keepDuration: false}", #","duration":"1h30m""#, 300),
        // For ever is as long as Go's durations last.
        ("{ttl: {from: until}}", #","until":"9999-12-31T23:59:59Z""#, 9_223_372_036),
        // Go's zero time is no time.
        ("{}", #","duration":60000000000,"until":"0001-01-01T00:00:00Z""#, 60),
    ])
    func worksOutTheTTL(options: String, rest: String, ttl: Int) throws {
        #expect(try item(options, record(rest)).lifetime.secondsLeft(at: clock) == Int64(ttl))
    }

    @Test func theTimeAMessageWaitedIsTakenOff() throws {
        let made = try item("{}", record(#","duration":"10m""#), published: clock + .seconds(-60))
        #expect(made.lifetime.secondsLeft(at: clock) == 540)
        #expect(made.lifetime.secondsLeft(at: clock + .seconds(500)) == 40)
        #expect(try JSONValue(parsing: made.body(at: clock + .seconds(500)))["ttl"] == .integer(40))
        #expect(!made.isExpired(at: clock + .milliseconds(539_000)))
        #expect(made.isExpired(at: clock + .milliseconds(539_001)))
    }

    @Test func whatHasEndedIsLeftOutOrKept() throws {
        let ended = record(#","duration":300000000000,"until":"2025-12-31T23:00:00Z""#)
        #expect(try item("{}", ended).isExpired(at: clock))
        #expect(try item("{ttl: {min: 60s}}", ended).isExpired(at: clock))
        let kept = try item("{ttl: {expired: keep}}", ended)
        #expect(!kept.isExpired(at: clock) && kept.lifetime.secondsLeft(at: clock) == 0)
    }

    @Test func writesTheNewerSchema() throws {
        let made = try item(
            "{schema: wrp_event_stream_schema_v1, partnerIDs: [p, q], owner: somebody-or-other}",
            record(#","duration":300000000000,"until":"2026-01-01T00:05:00Z""#))
        let data = try JSONValue(parsing: made.data)
        #expect(data["PartnerIDs"] == .array([.string("p"), .string("q")]))
        #expect(data["wrp_event_stream_schema_v1"]?["duration"] == .string("5m0s"))
        #expect(data["Webhook"] == nil)
        #expect(made.owner == "somebody-or-other")
    }

    @Test(arguments: ["\"a\\nb\"", "\"a\\rX-Evil: 1\"", "\"é\"", "\"\\0\""]) func anOwnerCannotCarryAHeader(
        owner: String
    ) {
        #expect(throws: OptionError.self) { try StageMaker.make(ArgusItemTransform.self, "{owner: \(owner)}") }
    }

    @Test(arguments: [
        #"[]"#, #"[[]]"#, #"null"#, #"{"config":"x"}"#, #"{"config":{"url":"a"},"events":"x"}"#,
        #"{"config":{"url":"a"},"events":[5]}"#,
        #"{"config":{"url":"a"},"events":["e"],"until":true}"#,
        #"{"config":{"url":"a"},"events":["e"],"duration":"x"}"#,
        #"{"config":{"url":"a"},"events":["e"],"duration":9223372036854775807}"#,
        #"{"config":{"url":"a"},"events":["e"],"until":253402300800}"#, #"[{"config":{"url":"a"},"events":["e"]},5]"#,
    ])
    func saysWhyARecordIsNone(record: String) {
        #expect(throws: WebhookError.self) { try item("{}", record) }
    }
}
