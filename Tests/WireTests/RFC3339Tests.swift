import Testing
import Wire

@Suite struct RFC3339Tests {
    @Test(arguments: [
        ("2026-01-01T00:05:00Z", 1_767_225_900, 0, 0),
        ("2026-01-01T00:05:00.5Z", 1_767_225_900, 500_000_000, 0),
        ("2026-01-01T00:05:00,5Z", 1_767_225_900, 500_000_000, 0),
        ("2026-01-01T00:05:00.1234567891Z", 1_767_225_900, 123_456_789, 0),
        ("2026-01-01T02:05:00+02:00", 1_767_225_900, 0, 7200),
        ("2025-12-31T19:05:00-05:00", 1_767_225_900, 0, -18000),
        ("1970-01-01T00:00:00Z", 0, 0, 0), ("1969-12-31T23:59:59Z", -1, 0, 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800, 0, 0), ("0000-01-01T00:00:00Z", -62_167_219_200, 0, 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799, 0, 0),
    ])
    func readsWhatGoReads(text: String, seconds: Int, nanoseconds: Int, offset: Int) throws {
        let value = try #require(RFC3339.parse(text))
        #expect(value.timestamp == Timestamp(seconds: Int64(seconds), nanoseconds: Int32(nanoseconds)))
        #expect(value.offset == Int32(offset))
    }

    @Test(arguments: [
        "", "2026-01-01", "2026-01-01 00:05:00Z", "2026-01-01T00:05:00", "2026-01-01t00:05:00z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:05:60Z", "2026-13-01T00:05:00Z", "2026-02-29T00:00:00Z", "2026-01-32T00:00:00Z",
        "2026-01-01T00:05:00.Z", "2026-01-01T00:05:00+0200", "2026-01-01T00:05:00ZZ", "x026-01-01T00:05:00Z",
        "2026-01-01T00:05:00+24:00",
    ])
    func refusesWhatGoRefuses(text: String) { #expect(RFC3339.parse(text) == nil) }

    @Test func writesWhatItReads() throws {
        for text in [
            "2026-01-01T00:05:00Z", "2026-01-01T00:05:00.5Z", "2026-01-01T02:05:00.123456789+02:00",
            "2025-12-31T19:05:00-05:30", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z",
        ] {
            #expect(RFC3339.format(try #require(RFC3339.parse(text))) == text)
        }
    }

    @Test func knowsTheYearByTheOwnOffset() throws {
        #expect(RFC3339.year(of: try #require(RFC3339.parse("2026-01-01T00:30:00+01:00"))) == 2026)
        #expect(RFC3339.year(of: RFC3339.DateTime(Timestamp(seconds: 253_402_300_800))) == 10_000)
    }
}

@Suite struct TimestampTests {
    @Test func addsAndSubtractsDurations() {
        let start = Timestamp(seconds: 10, nanoseconds: 900_000_000)
        #expect(start + .milliseconds(200) == Timestamp(seconds: 11, nanoseconds: 100_000_000))
        #expect(start + .milliseconds(-950) == Timestamp(seconds: 9, nanoseconds: 950_000_000))
        #expect((start + .seconds(5)) - start == .seconds(5))
        #expect(Timestamp(seconds: .max) + .seconds(1) == Timestamp(seconds: .max))
    }
}

@Suite struct GoDurationTests {
    @Test(arguments: [
        ("0", 0), ("5m", 300_000_000_000), ("1h30m", 5_400_000_000_000), ("1.5h", 5_400_000_000_000),
        ("-2s", -2_000_000_000),
        ("+2s", 2_000_000_000), ("250ms", 250_000_000), ("1us", 1000), ("1µs", 1000), ("7ns", 7),
        ("1h2m3s4ms", 3_723_004_000_000),
        (".5s", 500_000_000), ("1.s", 1_000_000_000),
    ])
    func readsWhatGoReads(text: String, nanoseconds: Int) {
        #expect(GoDuration.nanoseconds(text) == Int64(nanoseconds))
    }

    @Test(arguments: ["", "5", "m", "5x", "5 m", "1h-2m", ".s", "9223372037s", "--5s", "5m ", "∞s"])
    func refusesWhatGoRefuses(text: String) { #expect(GoDuration.nanoseconds(text) == nil) }

    @Test(arguments: [
        (0, "0s"), (1, "1ns"), (1500, "1.5µs"), (250_000_000, "250ms"), (300_000_000_000, "5m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (1_500_000_000, "1.5s"), (-5_400_000_000_000, "-1h30m0s"),
    ])
    func writesWhatGoWrites(nanoseconds: Int, text: String) {
        #expect(GoDuration.format(nanoseconds: Int64(nanoseconds)) == text)
        #expect(GoDuration.nanoseconds(text) == Int64(nanoseconds))
    }
}
