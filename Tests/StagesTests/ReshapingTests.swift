import Foundation
import PipelineKit
import TestSupport
import Testing
import Wire

@testable import Stages

/// What `map`, `split`, `webhook-registration` and `exec` make of messages.
@Suite struct ReshapingTests {
    private static let now = Timestamp(seconds: 1_767_225_600)

    private func message(_ text: String, attributes: [String: String] = [:]) -> Message {
        Message(
            id: "m", key: "k", payload: Bytes(Array(text.utf8)), attributes: attributes, publishedAt: Self.now,
            receivedAt: Self.now)
    }

    private func bodies<Tested: Transform>(
        _ type: Tested.Type, _ options: String, _ text: String, attributes: [String: String] = [:]
    ) throws -> [String] {
        let transform = try StageMaker.make(type, options, now: { Self.now })
        return try transform.transform(message(text, attributes: attributes)).map {
            String(decoding: $0.payload.bytes(at: Self.now), as: UTF8.self)
        }
    }

    @Test(arguments: [
        ("{remove: [a, x.y]}", #"{"a":1,"x":{"y":2,"z":3}}"#, #"{"x":{"z":3}}"#),
        ("{remove: [A]}", #"{"a":1,"A":2,"b":3}"#, #"{"b":3}"#),
        ("{rename: {a: x.b}}", #"{"a":[1,2]}"#, #"{"x":{"b":[1,2]}}"#),
        ("{copy: {a: b}}", #"{"a":{"c":1}}"#, #"{"a":{"c":1},"b":{"c":1}}"#),
        (
            "{set: {b: \"<{a}>\", c: 1, d: [x, \"{a}\"], e: {f: null, g: true}}}", #"{"a":"v"}"#,
            #"{"a":"v","b":"<v>","c":1,"d":["x","v"],"e":{"f":null,"g":true}}"#
        ),
        (
            "{remove: [a], rename: {b: a}, copy: {a: c}, set: {d: \"{a}\"}}", #"{"a":"old","b":"new"}"#,
            #"{"a":"new","c":"new","d":"old"}"#
        ),
        ("{set: {a: 2}}", #"[{"a":1},{"a":9}]"#, #"[{"a":2},{"a":9}]"#),
        ("{remove: [nope], rename: {nope: x}, copy: {nope: y}}", #"{"a":1.50}"#, #"{"a":1.50}"#),
        ("{set: {a.b: 1}}", #"{"a":null}"#, #"{"a":{"b":1}}"#),
    ])
    func mapChangesFields(options: String, text: String, changed: String) throws {
        #expect(try bodies(MapTransform.self, options, text) == [changed])
    }

    @Test func mapSetsAttributesAndTheKey() throws {
        let transform = try StageMaker.make(
            MapTransform.self, "{attributes: {host: \"{u|host}\"}, key: \"{u}\"}", now: { Self.now })
        let made = try transform.transform(message(#"{ "u": "https://a.example/" }"#, attributes: ["old": "1"]))[0]
        #expect(made.attributes == ["old": "1", "host": "a.example"])
        #expect(made.key == "https://a.example/")
        // What is not changed stays as it was written.
        #expect(String(decoding: made.payload.bytes(at: Self.now), as: UTF8.self) == #"{ "u": "https://a.example/" }"#)
    }

    @Test(arguments: [
        ("{set: {a: 1}}", "no json"), ("{set: {a: 1}}", "7"), ("{set: {a.b: 1}}", #"{"a":5}"#),
        ("{set: {a: \"{b}\"}}", "{}"),
        ("{set: {a: 1}}", "[]"),
    ])
    func mapSaysWhatItCannotDo(options: String, text: String) {
        #expect(throws: StageError.self) { try bodies(MapTransform.self, options, text) }
    }

    @Test(arguments: [
        "{set: {\"a[0]\": 1}}", "{remove: [\"a[*]\"]}", "{rename: {a: \"b[0]\"}}", "{set: {\"a..b\": 1}}",
        "{set: {a: \"{\"}}",
    ])
    func mapRefusesWhatItCouldNotDo(options: String) {
        #expect(throws: OptionError.self) { try StageMaker.make(MapTransform.self, options) }
    }

    @Test func splitMakesAMessageOfEachPart() throws {
        let transform = try StageMaker.make(SplitTransform.self, "{field: l}")
        let made = try transform.transform(message(#"{"l":[{"config":{"url":"u1"}},5,{"config":{"url":"u2"}}]}"#))
        #expect(made.map(\.id) == ["m#0", "m#1", "m#2"])
        #expect(made.map(\.key) == ["u1", "k#1", "u2"])
        #expect(try bodies(SplitTransform.self, "{}", "[1, [2]]") == ["1", "[2]"])
        #expect(try bodies(SplitTransform.self, "{}", "[]") == [])
        #expect(try bodies(SplitTransform.self, "{by: lines}", "a\r\nb\n\nc") == ["a", "b", "c"])
        #expect(throws: StageError.self) { try bodies(SplitTransform.self, "{}", "{}") }
        #expect(throws: StageError.self) { try bodies(SplitTransform.self, "{field: x}", "{}") }
        let many = "[" + Array(repeating: "1", count: 10_001).joined(separator: ",") + "]"
        #expect(throws: StageError.self) { try bodies(SplitTransform.self, "{}", many) }
    }

    @Test func aRegistrationIsCompletedAsTr1d1umDoes() throws {
        let text = #"[{"config":{"url":"u"},"events":["x"],"duration":60,"address":"203.0.113.1"}]"#
        #expect(
            try bodies(WebhookRegistrationTransform.self, "{}", text, attributes: ["http.remoteAddress": "192.0.2.1"])
                == [
                    #"{"registered_from_address":"192.0.2.1","config":{"url":"u","content_type":""},"failure_url":"","events":["x"],"matcher":{"device_id":[".*"]},"duration":300000000000,"until":"2026-01-01T00:05:00Z"}"#
                ])
        let kept = try bodies(WebhookRegistrationTransform.self, "{duration: keep}", text)
        #expect(kept[0].contains(#""duration":60000000000,"until":"2026-01-01T00:01:00Z""#))
        #expect(throws: (any Error).self) {
            try bodies(WebhookRegistrationTransform.self, "{}", #"{"config":{"url":"u"}}"#)
        }
    }

    // MARK: - exec

    /// A program that answers each line with what a shell prints; `$line` is the line.
    private func program(_ script: String) -> String {
        "{command: [bash, -c, '\(script)'], timeout: 20s}"
    }

    @Test func aProgramTransforms() throws {
        let echo = program(#"while read -r line; do printf "{\"payload\": %s, \"key\": \"new\"}\n" "$line"; done"#)
        let transform = try StageMaker.make(ExecTransform.self, echo, now: { Self.now })
        for number in 1...3 {
            let made = try transform.transform(message("{\"n\":\(number)}", attributes: ["a": "b"]))
            #expect(made.count == 1 && made[0].key == "new" && made[0].id == "m")
            let seen = try JSONTree(parsing: made[0].payload.bytes(at: Self.now))
            #expect(seen["payload"]?["n"] == .number("\(number)"))
            #expect(seen["attributes"]?["a"] == .string("b"))
        }
        let several = program(#"while read -r line; do echo "{\"payloads\": [1, 2]}"; done"#)
        #expect(try bodies(ExecTransform.self, several, "{}") == ["1", "2"])
        let drop = program(#"while read -r line; do echo "{\"drop\": true}"; done"#)
        #expect(try bodies(ExecTransform.self, drop, "{}") == [])
    }

    @Test(arguments: [
        (#"while read -r line; do echo "{\"error\": \"no thanks\"}"; done"#, "no thanks", false),
        ("while read -r line; do echo nonsense; done", "no JSON object", false),
        (#"while read -r line; do echo "{}"; done"#, "neither", false),
        ("exit 3", "the program has ended", true),
        ("read -r line; kill -9 $$", "the program has ended", true),
    ])
    func whatAProgramDoesWrongIsSaid(script: String, reason: String, isTransient: Bool) {
        let error = #expect(throws: StageError.self) { try bodies(ExecTransform.self, program(script), "{}") }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.isTransient == isTransient)
    }

    @Test func aProgramThatDoesNotAnswerIsKilledAndAnotherIsStarted() throws {
        let options = "{command: [bash, -c, 'read -r line; sleep 1000'], timeout: 50ms}"
        let transform = try StageMaker.make(ExecTransform.self, options)
        for _ in 0..<2 {
            let error = #expect(throws: StageError.self) { try transform.transform(message("{}")) }
            #expect(error?.description.contains("in time") == true && error?.isTransient == true)
        }
        #expect(throws: StageError.self) { try bodies(ExecTransform.self, "{command: /nowhere/at/all}", "{}") }
    }

    @Test func aProgramGetsNoSecretsOfTheGateway() throws {
        let options =
            "{command: [bash, -c, 'read -r line; echo \"{\\\"payload\\\": \\\"$(env | grep -v ^_= | cut -d= -f1 | sort | tr \"\\n\" \" \")\\\"}\"'], environment: {MINE: x}}"
        let names = try bodies(ExecTransform.self, options, "{}")[0].dropFirst().dropLast().split(separator: " ")
        #expect(names.contains("MINE") && names.contains("PATH"))
        #expect(Set(names).isSubset(of: ["MINE", "PATH", "HOME", "LANG", "TZ", "PWD", "SHLVL", "OLDPWD"]), "\(names)")
    }
}
