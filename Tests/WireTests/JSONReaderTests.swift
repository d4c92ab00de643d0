import Foundation
import TestSupport
import Testing

@testable import Wire

@Suite struct JSONReaderTests {
    private func compact(_ text: String) throws -> String {
        var output: [UInt8] = []
        try JSONReader.read(Array(text.utf8)) { try $0.copyCompact(to: &output) }
        return output.text
    }

    @Test(arguments: [
        "{}", "[]", "null", "true", "-0.5e+3", #""a\u00e9\ud83d\ude00\n""#, #"{"a":[1,{"b":null}],"c":"\\"}"#,
        " [ 1 , 2 ] ",
    ])
    func acceptsJSONAndKeepsItsValue(text: String) throws {
        let copied = try compact(text)
        #expect(try JSONValue(parsing: copied.utf8) == JSONValue(parsing: text.utf8))
    }

    @Test(arguments: [
        "", "hello", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "\"\u{1}\"", "\"\\x\"", "\"\\u12\"",
        "nul",
        "truee", "[1] x", "NaN", "'a'", "[1 2]", "{\"a\" 1}", "\"", "-", "1e", "// x\n1",
    ])
    func refusesWhatIsNotJSON(text: String) {
        #expect(throws: JSONError.self) { try compact(text) }
    }

    @Test func survivesDeepNestingWithoutAStack() throws {
        let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        #expect(try compact(deep) == deep)
        #expect(throws: JSONError.self) { try compact("[\(deep)]") }
    }

    @Test func repairsWhatIsNoUnicodeAsGoDoes() throws {
        let bytes: [UInt8] = [0x22, 0x61, 0xff, 0xc3, 0x22]
        #expect(try JSONReader.read(bytes) { try $0.string() } == "a\u{fffd}\u{fffd}")
        #expect(try JSONReader.read(Array(#""\ud800x""#.utf8)) { try $0.string() } == "\u{fffd}x")
    }

    @Test func neverCrashesOnRandomBytes() {
        var generator = SeededGenerator(seed: 1)
        let alphabet = Array("{}[]\",:\\ntruefalse0123.eE+-u\u{7f}é ".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator)!
            }
            let ours = (try? JSONReader.read(bytes) { try $0.skip() }) != nil
            let theirs = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            // Foundation refuses invalid UTF-8 and accepts no more than we do; the rest has to agree.
            if theirs { #expect(ours, "\(bytes.text)") }
        }
    }
}

@Suite struct FieldPathTests {
    private let record = Array(
        #"{"Config":{"url":"http://a/","URL":"http://b/"},"events":["x",2,{"y":1}],"config":{"url":null},"n":5,"o":{}}"#
            .utf8)

    @Test func findsWhatAGoProgramFinds() throws {
        #expect(try FieldPath("config.url")?.value(in: record) == .text("http://b/"))
        #expect(try FieldPath("events")?.value(in: record) == .list(["x", "2"]))
        #expect(try FieldPath("n")?.value(in: record) == .text("5"))
        #expect(try FieldPath("o")?.value(in: record) == .object)
        #expect(try FieldPath("missing")?.value(in: record) == nil)
        #expect(try FieldPath("n.deeper")?.value(in: record) == nil)
    }

    @Test func looksIntoTheFirstElementOfAnArray() throws {
        let array = Array(#"[{"a":"1"},{"a":"2"}]"#.utf8)
        #expect(try FieldPath("a")?.text(in: array) == "1")
    }

    @Test func hasNoEmptyNames() {
        #expect(FieldPath("") == nil)
        #expect(FieldPath("a..b") == nil)
    }
}

@Suite struct StableHashTests {
    @Test func neverChanges() {
        // Written down once: another value would move webhooks in or out of a running partial migration.
        #expect(stableHash("") == 0xefd0_1f60_ba99_2926)
        #expect(stableHash("http://hecate-cluster-test/hook/ingest/0") == 3_514_038_702_807_235_269)
    }
}
