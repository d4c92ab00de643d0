import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Stages

@Suite struct MatchFilterTests {
    private let record = Array(
        #"{"config":{"url":"https://user:pw@Hooks.Partner-A.example:8443/x?y=1","content_type":"json"},"events":["online","device-status"],"n":7,"flag":true,"nothing":null}"#
            .utf8)

    @Test(arguments: [
        ("{field: config.content_type, equals: json}", true), ("{field: config.content_type, equals: [a, b]}", false),
        ("{field: n, equals: 7}", true), ("{field: flag, equals: true}", true),
        ("{field: events, in: [offline, online]}", true),
        ("{field: events, glob: \"dev*us\"}", true), ("{field: events, glob: \"dev?us\"}", false),
        ("{field: config.url, host: hooks.partner-a.example}", true),
        ("{field: config.url, host: \"*.partner-a.example\"}", true),
        ("{field: config.url, host: \"*.example\"}", true), ("{field: config.url, host: partner-a.example}", false),
        ("{field: config.url, host: \"*.hooks.partner-a.example\"}", false),
        ("{field: config.url, host: \"h*s.partner-?.example\"}", true),
        ("{field: config.url, regex: \"y=[0-9]$\"}", true),
        ("{field: config.url, regex: [\"^ftp\", \"^http:\"]}", false),
        ("{field: config.url, exists: true}", true), ("{field: nothing, exists: true}", false),
        ("{field: x.y, exists: false}", true),
        ("{field: x, glob: \"*\"}", false), ("{not: {field: x, equals: y}}", true),
        ("{all: [{field: n, equals: 7}, {any: [{field: n, equals: 8}, {field: flag, equals: true}]}]}", true),
        ("{all: [{field: n, equals: 7}, {field: n, equals: 8}]}", false), ("{any: []}", false), ("{all: []}", true),
    ])
    func decides(options: String, admitted: Bool) throws {
        let filter = try StageMaker.make(MatchFilter.self, options)
        let message = Message(id: "1", payload: Bytes(record), receivedAt: Timestamp(seconds: 0))
        #expect(try filter.admits(message) == admitted)
    }

    @Test(arguments: [
        "{}", "{field: a}", "{equals: b}", "{field: a, equals: b, gob: c}", "{field: a, all: []}",
        "{all: [], any: []}", "{field: a..b, equals: c}",
        "{not: [{field: a, equals: b}]}", "{any: [{field: a}]}",
    ])
    func refusesWhatIsNoCondition(options: String) {
        #expect(throws: OptionError.self) { try StageMaker.make(MatchFilter.self, options) }
    }

    @Test func aRowAnswersWhatItsFiltersWouldOneAfterTheOther() throws {
        let rules = [
            "{config.url: {host: b.example}}", "{config.url: {host: \"*.example\"}}",
            "{not: {config.url: {host: x.example}}}",
            "{not: {config.url: {host: [\"*.b.example\", c.example]}}}",
            "{config.url: {host: [\"h*s.example\", a.b.example]}}",
            "{not: {config.url: {host: \"*.b.*\"}}}", "{\"receivers[*].url\": {host: \"*.example\"}}",
            "{not: {\"receivers[*].url\": {host: c.example}}}",
            "{\"receivers[*].url\": {host: \"*.example\", elements: all}}",
            "{n: {in: [7]}}", "{not: {n: {above: 100}}}", "{config.url: {host: \"*.example\", glob: \"*\"}}",
        ]
        let hosts = ["b.example", "a.b.example", "c.example", "hooks.example", "other.invalid", "", "example"]
        var generator = SeededGenerator(seed: 11)
        var answers: Set<String> = []
        let all = try rules.map { try StageMaker.make(MatchFilter.self, $0) }
        for _ in 0..<2000 {
            let filters = Array(all.shuffled(using: &generator).prefix(Int.random(in: 2...8, using: &generator)))
            guard let row = MatchFilter.group(of: filters) else { continue }
            let urls = (0..<3).map { _ in "http://\(hosts.randomElement(using: &generator) ?? "")/hook" }
            let json =
                Int.random(in: 0..<20, using: &generator) == 0
                ? "no json"
                : #"{"config":{"url":"\#(urls[0])"},"receivers":[{"url":"\#(urls[1])"},{"url":"\#(urls[2])"}],"n":7}"#
            let message = Message(id: "1", payload: Bytes(Array(json.utf8)), receivedAt: Timestamp(seconds: 0))
            var expected = "passed"
            for (number, filter) in filters.enumerated() {
                do {
                    if try filter.admits(message) { continue }
                    expected = "stopped by \(number)"
                } catch {
                    expected = "failed by \(number): \(error)"
                }
                break
            }
            let answer =
                switch row.run(RecordView(message, now: Timestamp(seconds: 0))) {
                case .passed: "passed"
                case .stopped(let number): "stopped by \(number)"
                case .failed(let number, let error): "failed by \(number): \(error)"
                }
            #expect(answer == expected, "\(json)")
            answers.insert(String(answer.prefix(12)))
        }
        #expect(answers.isSuperset(of: ["passed", "stopped by 0", "stopped by 3", "failed by 0:"]), "\(answers)")
    }

    @Test func aRowIsMadeWhereTwoAskForTheSameHost() throws {
        func row(_ rules: String...) throws -> Bool {
            MatchFilter.group(of: try rules.map { try StageMaker.make(MatchFilter.self, $0) }) != nil
        }
        #expect(try row("{a: {host: x}}", "{n: {above: 1}}", "{not: {a: {host: y}}}"))
        #expect(try !row("{a: {host: x}}", "{b: {host: x}}"))
        #expect(try !row("{a: {equals: x}}", "{a: {equals: y}}"))
    }

    @Test func anIndexFindsWhatItsSetsHold() {
        // Long enough for buckets with several entries, with hosts that several lists name, and lists without any.
        let lists = (0..<40).map { list in
            (0..<(list % 4) * 100).map { "\($0 % 3 == 0 ? "*." : "")h\($0 * (list % 5 + 1)).example" }
                + (list == 7 ? ["h1?.*"] : [])
        }
        let sets = lists.map { HostSet($0) }
        let index = HostIndex(sets)
        for name in (0..<1500).flatMap({ ["h\($0).example", "a.h\($0).example", "b.a.h\($0).example"] }) + [
            "example", "x",
        ] {
            let host = HostName(name)
            var found: Set<Int> = []
            index.sets(holding: host) { found.insert($0) }
            #expect(found == Set(sets.indices.filter { sets[$0].contains(host) }), "\(name)")
        }
        HostIndex([]).sets(holding: HostName("a")) { _ in Issue.record("nothing holds nothing") }
    }

    @Test func saysThatItCannotLookIntoWhatIsNotJSON() throws {
        let filter = try StageMaker.make(MatchFilter.self, "{field: a, equals: b}")
        #expect(throws: StageError.self) {
            try filter.admits(Message(id: "1", payload: Bytes(Array("hello".utf8)), receivedAt: Timestamp(seconds: 0)))
        }
    }

    @Test func aRegularExpressionIsNotTriedOnALongText() throws {
        let filter = try StageMaker.make(MatchFilter.self, "{field: a, regex: \"(x+x+)+y\"}")
        let long = Array("{\"a\":\"\(String(repeating: "x", count: 5000))\"}".utf8)
        #expect(throws: StageError.self) {
            try filter.admits(Message(id: "1", payload: Bytes(long), receivedAt: Timestamp(seconds: 0)))
        }
    }

    @Test(arguments: [
        ("http://a.example", "a.example"), ("http://A.example.:80/x", "a.example"), ("http://[::1]:80/", "::1"),
        ("http://good.example@evil.example/", "evil.example"), ("http://evil.example/@good.example", "evil.example"),
        ("http://evil.example?@good.example", "evil.example"), ("http://evil.example\\@good.example", "evil.example"),
        ("http://evil.example#.good.example", "evil.example"), ("no url", nil), ("http://", nil), ("http:///x", nil),
    ])
    func findsTheHostThatIsMeant(url: String, host: String?) { #expect(URLHost.of(url) == host) }

    @Test func aNameLiesInNoMoreDomainsThanNamesCan() throws {
        let longest = String(repeating: "a.", count: 122) + "z.example"
        let host = HostName(longest)
        #expect(longest.utf8.count == 253 && host.parents.count == 123)
        #expect(host.parents.map { host.text(of: $0) }.suffix(2) == ["z.example", "example"])
        // Whoever registers a webhook chooses its URL, and each domain of it is looked up in each list.
        #expect(HostName("a" + longest).parents.isEmpty)
        let filter = try StageMaker.make(MatchFilter.self, "{config.url: {host: \"*.example\"}}")
        for (host, admitted) in [(longest, true), (String(repeating: "a.", count: 100_000) + "example", false)] {
            let record = Array("{\"config\":{\"url\":\"http://\(host)/\"}}".utf8)
            #expect(
                try filter.admits(Message(id: "1", payload: Bytes(record), receivedAt: Timestamp(seconds: 0)))
                    == admitted)
        }
    }
}

@Suite struct SampleFilterTests {
    private func inside(_ percent: Double) throws -> Set<Int> {
        let filter = try StageMaker.make(SampleFilter.self, "{percent: \(percent)}")
        return Set(
            try (0..<10_000).filter {
                try filter.admits(
                    Message(
                        id: "1", key: "http://host-\($0).example/", payload: Bytes([]),
                        receivedAt: Timestamp(seconds: 0)))
            })
    }

    @Test func whoeverIsInsideStaysInsideOfMore() throws {
        var previous: Set<Int> = []
        for percent in [0, 0.5, 10, 20, 50, 99.9, 100] {
            let now = try inside(percent)
            #expect(previous.isSubset(of: now))
            #expect(abs(Double(now.count) - percent * 100) < 200, "\(percent) % of 10000 are \(now.count)")
            previous = now
        }
        #expect(try inside(0).isEmpty)
        #expect(try inside(100).count == 10_000)
    }
}
