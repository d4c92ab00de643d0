import Foundation
import PipelineKit
import TestSupport
import Testing
import Wire

@testable import Stages

@Suite struct ConditionTests {
    private static let now = Timestamp(seconds: 1_767_225_600)
    private let record = Array(
        """
        {"config": {"url": "https://a.example/x"}, "events": ["device-on", "device-off"], "none": [],
         "receivers": [{"url": "u1", "tags": ["t1", "t2"]}, {"url": "u2"}], "n": 7, "big": 9007199254740993, "t": "7.5",
         "until": "2026-01-01T01:00:00Z", "epoch": 1767225660, "address": "192.0.2.77", "six": "2001:db8::5",
         "port": "192.0.2.77:8080", "mapped": "::ffff:192.0.2.77", "null": null}
        """.utf8)

    private func admits(_ options: String) throws -> Bool {
        let filter = try StageMaker.make(MatchFilter.self, options, now: { Self.now })
        let message = Message(
            id: "m-1", key: "https://a.example/x", payload: Bytes(record), topic: "arn:t",
            attributes: ["scytale.env": "production", "team": "blue"], publishedAt: Self.now, receivedAt: Self.now)
        return try filter.admits(message)
    }

    @Test(arguments: [
        // Elements of lists.
        ("{field: \"events[*]\", equals: device-on}", true), ("{field: \"events[*]\", equals: other}", false),
        ("{field: \"events[*]\", elements: all, glob: device-*}", true),
        ("{field: \"events[*]\", elements: all, equals: device-on}", false),
        ("{field: events, elements: all, glob: device-*}", true),
        ("{field: \"events[0]\", equals: device-on}", true), ("{field: \"events[2]\", exists: true}", false),
        ("{field: \"none[*]\", elements: all, glob: \"*\"}", false), ("{field: \"none[*]\", exists: false}", true),
        ("{field: none, exists: true}", true),
        ("{field: \"receivers[*].url\", equals: u2}", true), ("{field: \"receivers[1].url\", equals: u1}", false),
        ("{field: \"receivers[*].tags[*]\", equals: t2}", true), ("{field: \"receivers[*]\", exists: true}", true),
        ("{field: \"n[*]\", exists: true}", false),
        // Numbers.
        ("{field: n, above: 6.5}", true), ("{field: n, above: 7}", false), ("{field: n, atLeast: 7}", true),
        ("{field: n, below: 7}", false), ("{field: n, atMost: 7}", true), ("{field: t, above: 7}", true),
        ("{field: until, above: 0}", false), ("{field: n, above: 5, below: 8}", true),
        ("{field: n, above: 5, below: 6}", false),
        // Times, from now and absolute, as date-time and in epoch seconds.
        ("{until: {after: 59m}}", true), ("{until: {after: 1h}}", false), ("{until: {before: 1h1s}}", true),
        ("{epoch: {after: 59s}}", true), ("{epoch: {after: 1m}}", false), ("{until: {after: -10m}}", true),
        ("{until: {after: \"2026-01-01T00:59:59Z\"}}", true),
        ("{until: {before: \"2026-01-01T01:00:00+00:00\"}}", false),
        ("{config.url: {after: 1h}}", false),
        // Addresses.
        ("{address: {cidr: 192.0.2.0/24}}", true), ("{address: {cidr: 192.0.2.64/28}}", true),
        ("{address: {cidr: 192.0.2.80/28}}", false), ("{address: {cidr: [10.0.0.0/8, 192.0.2.77]}}", true),
        ("{address: {cidr: 0.0.0.0/0}}", true), ("{six: {cidr: \"2001:db8::/32\"}}", true),
        ("{six: {cidr: 0.0.0.0/0}}", false), ("{port: {cidr: 192.0.2.0/24}}", true),
        ("{mapped: {cidr: 192.0.2.0/24}}", true), ("{config.url: {cidr: 0.0.0.0/0}}", false),
        // Attributes and metadata.
        ("{attributes.scytale.env: {equals: production}}", true), ("{attributes.nope: {exists: true}}", false),
        ("{metadata.key: {host: a.example}}", true), ("{metadata.id: {glob: m-*}}", true),
        ("{metadata.topic: {equals: \"arn:t\"}}", true), ("{metadata.publishedAt: {before: 1s}}", true),
        // Several in one map hold together; so do short and long ones.
        ("{config.url: {host: a.example}, n: {equals: 7}}", true),
        ("{config.url: {host: a.example}, n: {equals: 8}}", false),
        ("{field: n, equals: 7, config.url: {host: b.example}}", false),
        ("{any: [{n: {equals: 8}}, {attributes.team: {in: [red, blue]}}]}", true),
        ("{all: [{n: {equals: 7}}, {not: {field: \"null\", exists: true}}]}", true),
    ])
    func decides(options: String, admitted: Bool) throws { #expect(try admits(options) == admitted) }

    @Test(arguments: [
        ("{field: n, above: x}", "expected a number"), ("{until: {after: soon}}", "a duration from now"),
        ("{a: {cidr: 192.0.2.0/33}}", "no range of addresses"), ("{a: {cidr: somewhere}}", "no range of addresses"),
        ("{field: metadata.nope, equals: x}", "is no reference: write a field such as"),
        ("{field: \"a[\", equals: x}", "is no reference"),
        ("{field: \"a[x]\", equals: x}", "is no reference"),
        ("{feild: n, equals: 7}", "no option 'feild'; did you mean 'field'?"),
        ("{until: {aftr: 1h}}", "no option 'aftr'; did you mean 'after'?"),
        ("{nto: {field: n, equals: 7}}", "no option 'nto'; did you mean 'not'?"),
        ("{until: {after: 1h, aftr: 1h}}", "no option 'aftr'; did you mean 'after'?"),
        ("{field: n, in: {file: nope.txt}}", "'nope.txt' cannot be read"),
        ("{field: n, in: {fle: x}}", "no option 'fle'"),
        ("{field: n, equals: 7, all: [{n: {equals: 7}}]}", "either a 'field' with a test"),
        ("{field: n, elements: some, equals: x}", "none of any, all"),
    ])
    func saysWhatIsWrong(options: String, message: String) throws {
        let error = #expect(throws: OptionError.self) { try StageMaker.make(MatchFilter.self, options) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }

    @Test func aListStandsInAFile() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("hecate-\(UUID().uuidString).txt").path
        try "# remarks\n\n  https://a.example/x  \r\nhttps://b.example/\n".write(
            toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        #expect(try admits("{config.url: {in: {file: \(file)}}}"))
        #expect(try admits("{config.url: {in: [x, {file: \(file)}]}}"))
        #expect(try !admits("{config.url: {glob: {file: \(file)}}, n: {in: {file: \(file)}}}"))
    }

    @Test func alternativesThatAreUnitedDecideAsEachOnItsOwn() throws {
        let rules = [
            "{config.url: {host: b.example}}", "{config.url: {host: \"*.example\"}}", "{n: {in: [1, 2]}}",
            "{n: {in: [7]}}",
            "{config.url: {host: a.example, elements: all}}", "{n: {above: 100}}", "{not: {n: {in: [7]}}}",
            "{receivers: {host: a.example}}",
        ]
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            let some = rules.shuffled(using: &generator).prefix(Int.random(in: 1...4, using: &generator))
            let expected = try some.contains { try admits($0) }
            #expect(try admits("{any: [\(some.joined(separator: ", "))]}") == expected, "\(some)")
        }
    }

    @Test func onlyWhatIsAskedForHasToBeJSON() throws {
        let filter = try StageMaker.make(MatchFilter.self, "{attributes.a: {equals: b}}")
        let message = Message(
            id: "1", payload: Bytes(Array("no json".utf8)), attributes: ["a": "b"], receivedAt: Timestamp(seconds: 0))
        #expect(try filter.admits(message))
    }
}

@Suite struct TemplateTests {
    private func fill(_ text: String, escape: (String) -> String = { $0 }) throws -> String {
        let record = RecordView(
            Message(
                id: "i d", key: "k",
                payload: Bytes(Array(#"{"config":{"url":"HTTPS://A.example:1/ä?b"},"l":["x","y"],"o":{}}"#.utf8)),
                attributes: ["a.b": "v"], receivedAt: Timestamp(seconds: 0)), now: Timestamp(seconds: 0))
        return try TemplateText(text).text(record, escape: escape)
    }

    @Test(arguments: [
        ("plain", "plain"), ("", ""), ("{{x}}", "{x}"), ("{config.url|host}", "a.example"),
        ("<{attributes.a.b}>", "<v>"), ("{metadata.id|urlencode}", "i%20d"), ("{l}", "x,y"), ("{l[1]|upper}", "Y"),
        ("{nope:-d|x}", "d|x"), ("{o:-none}", "none"), ("{config.url|lower|json}", "\"https://a.example:1/ä?b\""),
    ])
    func fills(text: String, filled: String) throws { #expect(try fill(text) == filled) }

    @Test(arguments: ["{nope}", "a{o}", "{attributes.none}", "{l[7]}"])
    func whatIsMissingIsSaid(text: String) {
        let error = #expect(throws: StageError.self) { try fill(text) }
        #expect(error?.description.contains("the message has no") == true)
    }

    @Test(arguments: ["{", "}", "{a", "{}", "{a..b}", "{a|nope}", "{metadata.nope}"])
    func whatIsNoTemplateIsRefused(text: String) {
        #expect(throws: OptionError.self) { try TemplateText(text) }
    }

    @Test func valuesAreEscapedAndTheTextAroundThemIsNot() throws {
        #expect(try fill("/a b/{metadata.id}") { "<\($0)>" } == "/a b/<i d>")
    }
}
