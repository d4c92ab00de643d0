import Locking
import PipelineKit
import TestSupport
import Testing
import Wire

@testable import Stages

@Suite struct DedupeFilterTests {
    private let clock = Protected(Timestamp(seconds: 1000))

    private func filter(_ options: String = "{window: 60s, size: 3}") throws -> DedupeFilter {
        try StageMaker.make(DedupeFilter.self, options, now: { [clock] in clock.with { $0 } })
    }

    private func message(_ id: String, url: String = "u") -> Message {
        Message(
            id: id, payload: Bytes(Array("{\"config\":{\"url\":\"\(url)\"}}".utf8)), receivedAt: Timestamp(seconds: 0))
    }

    @Test func whatSucceededIsLeftOutAndWhatFailedGoesOn() throws {
        let filter = try filter()
        #expect(try filter.admits(message("a")))
        // The first is still on its way: leaving out the second could lose both.
        #expect(try filter.admits(message("a")))
        filter.ended(message("a"), .failed(reason: "no", retryAfter: nil))
        #expect(try filter.admits(message("a")))
        filter.ended(message("a"), .delivered)
        #expect(try !filter.admits(message("a")))
        #expect(try filter.admits(message("b")))
    }

    @Test func whatIsRememberedIsBoundedInTimeAndNumber() throws {
        let filter = try filter()
        filter.ended(message("a"), .delivered)
        clock.with { $0 = Timestamp(seconds: 1060) }
        #expect(try !filter.admits(message("a")))
        clock.with { $0 = Timestamp(seconds: 1061) }
        #expect(try filter.admits(message("a")))
        for id in ["p", "q", "r", "s"] { filter.ended(message(id), .delivered) }
        #expect(try filter.admits(message("p")))
        #expect(try !filter.admits(message("q")))
    }

    @Test func aFieldCanSayWhatIsTheSame() throws {
        let filter = try filter("{by: \"{config.url}\"}")
        filter.ended(message("a", url: "x"), .delivered)
        #expect(try !filter.admits(message("b", url: "x")))
        #expect(try filter.admits(message("c", url: "y")))
        #expect(throws: StageError.self) {
            try filter.admits(Message(id: "d", payload: Bytes(Array("{}".utf8)), receivedAt: Timestamp(seconds: 0)))
        }
    }
}

@Suite struct RateLimitFilterTests {
    private let clock = Protected(ContinuousClock.now)

    private func filter(_ options: String, isDryRun: Bool = false) throws -> RateLimitFilter {
        try RateLimitFilter(
            StageMaker.options(RateLimitFilter.self, options), StageMaker.context(isDryRun: isDryRun),
            now: { [clock] in clock.with { $0 } })
    }

    private let message = Message(id: "1", payload: Bytes([]), receivedAt: Timestamp(seconds: 0))

    @Test func aBurstGoesThroughAndTheRestIsToldWhenToCome() throws {
        let filter = try filter("{rate: 10, burst: 3}")
        for _ in 0..<3 { #expect(try filter.admits(message)) }
        let error = #expect(throws: StageError.self) { try filter.admits(message) }
        #expect(error?.isTransient == true)
        let pause = try #require(error?.retryAfter)
        #expect(pause > .milliseconds(99) && pause <= .milliseconds(101))
        clock.with { $0 += .milliseconds(110) }
        #expect(try filter.admits(message))
        #expect(throws: StageError.self) { try filter.admits(message) }
        clock.with { $0 += .seconds(100) }
        for _ in 0..<3 { #expect(try filter.admits(message)) }
        #expect(throws: StageError.self) { try filter.admits(message) }
    }

    @Test func inTheLongRunNoMoreThanTheRate() throws {
        let filter = try filter("{rate: 50, burst: 5, excess: drop}")
        var admitted = 0
        for _ in 0..<10_000 {
            if try filter.admits(message) { admitted += 1 }
            clock.with { $0 += .milliseconds(1) }
        }
        #expect((500...506).contains(admitted))
    }

    @Test func aTrialIsNotHeldUp() throws {
        let filter = try filter("{rate: 1, burst: 1}", isDryRun: true)
        for _ in 0..<10 { #expect(try filter.admits(message)) }
    }
}

@Suite struct ExpiredFilterTests {
    @Test(arguments: [
        (#"{"config":{"url":"u"},"events":["x"],"until":"2026-01-01T00:00:59Z"}"#, "1m", false),
        (#"{"config":{"url":"u"},"events":["x"],"until":"2026-01-01T00:01:01Z"}"#, "1m", true),
        (#"{"config":{"url":"u"},"events":["x"],"until":1767225599}"#, "0s", false),
        (#"{"config":{"url":"u"},"events":["x"],"duration":"30s"}"#, "1m", false),
        (#"{"config":{"url":"u"},"events":["x"]}"#, "1m", true), ("no registration", "1m", true),
    ])
    func stopsWhatHasEnded(record: String, margin: String, admitted: Bool) throws {
        let now = Timestamp(seconds: 1_767_225_600)
        let filter = try StageMaker.make(ExpiredFilter.self, "{margin: \(margin)}", now: { now })
        let message = Message(id: "1", payload: Bytes(Array(record.utf8)), publishedAt: now, receivedAt: now)
        #expect(try filter.admits(message) == admitted)
    }
}
