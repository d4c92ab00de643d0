import Dispatch
import Patterns
import Testing

@Suite struct PatternTests {
    /// Go's `regexp.MatchString` says the same of each.
    @Test(arguments: [
        ("", "", true), ("", "abc", true), ("b", "abc", true), ("^b", "abc", false), ("c$", "abc", true),
        ("^abc$", "abc", true), ("^abc$", "abc\n", false), ("(?m)^b$", "a\nb\nc", true), ("a.c", "a\nc", false),
        ("(?s)a.c", "a\nc", true), ("(?i)HELLO", "say hello", true), ("^.{10,60}$", "0123456789", true),
        ("^.{10,60}$", "012345678", false), ("^.{4}$", "äöü€", true), ("^.$", "👍", true), ("^.$", "é", true),
        ("^.$", "e\u{301}", false), (#"^\d+$"#, "0123", true), (#"^\d+$"#, "٣", false), (#"\bfoo\b"#, "a foo b", true),
        (#"^\pL+$"#, "Größe", true), (#"^\p{Greek}+$"#, "λόγος", true), ("[[:alpha:]]", "1a", true),
        (#"^(?P<year>\d{4})-(?P<month>\d\d)$"#, "2026-01", true), (#"\x{20AC}"#, "5 €", true),
        (#"^a\z"#, "a", true), (#"\Aa"#, "ba", false), ("a|b", "xb", true), (#"\Qa.b\E"#, "a.b", true),
        (#"\Qa.b\E"#, "axb", false), (#"^\Qa\Cb\E$"#, #"a\Cb"#, true), (#"^\Q\\C\E$"#, #"\\C"#, true),
        (#"\\C"#, #"\C"#, true), ("\r\n", "a\r\nb", true), ("^a$", "a\r\n", false), ("a\0b", "xa\0by", true),
        (".*\\.example\\.net$", "x.example.net", true),
    ])
    func matchesAsGoDoes(pattern: String, text: String, expected: Bool) throws {
        let pattern = try Pattern(pattern)
        #expect(pattern.matches(anywhere: text) == expected)
        #expect(Array(text.utf8).withUnsafeBytes { pattern.matches(anywhere: $0) } == expected)
    }

    @Test(arguments: [
        ("(", "missing ): ("), (")", "unexpected ): )"), ("[a", "missing ]: [a"),
        ("a**", "bad repetition operator: **"),
        ("*", "no argument for repetition operator: *"), (#"\"#, #"trailing \"#),
        (#"\8"#, #"invalid escape sequence: \8"#),
        (#"(a)\1"#, #"invalid escape sequence: \1"#), ("(?=a)", "invalid perl operator: (?="),
        ("(?<!a)", "invalid perl operator: (?<"), ("(?<name>a)", "invalid perl operator: (?<"),
        ("(?P<n", "invalid named capture group: (?P<n"), ("a{1001}", "invalid repetition size: {1001}"),
        (#"\C"#, #"invalid escape sequence: \C"#), (#"a\\\Cb"#, #"invalid escape sequence: \C"#),
        (#"[\C]"#, #"invalid escape sequence: \C"#), (#"\Qx\E\C"#, #"invalid escape sequence: \C"#),
        ("[z-a]", "invalid character class range: z-a"),
        (#"\p{Nothing}"#, #"invalid character class range: \p{Nothing}"#),
    ])
    func whatIsNoPatternIsRefusedInRE2sWords(pattern: String, reason: String) {
        #expect { try Pattern(pattern) } throws: { error in
            guard let error = error as? PatternError else { return false }
            return error.reason == reason && "\(error)" == reason
        }
    }

    @Test func aPatternThatIsTooLargeIsRefused() throws {
        for pattern in [
            "((a{100}){100}){100}", String(repeating: "\\pL", count: 5000),
            String(repeating: "a", count: (64 << 10) + 1),
            String(repeating: "(", count: 60_000),
        ] {
            #expect(throws: PatternError.self) { try Pattern(pattern) }
        }
        #expect(throws: PatternError(reason: "pattern too large - compile failed")) {
            try Pattern("(\\pL{100}){10}", maxMemory: 16 << 10)
        }
        _ = try Pattern(String(repeating: "a", count: 10_000))
    }

    @Test(arguments: [
        "(a+)+$", "(a*)*b", "^(a|aa)+$", "(a|a)*c", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)(.*)(.*)(.*)(.*)(.*)x$",
        "^(a?){100}a{100}$", "(x+x+)+y",
    ])
    func timeIsLinearWhateverThePatternIs(pattern: String) throws {
        // 50 KB; with back-tracking, most of these would take longer than the world is old.
        let text = String(repeating: "a", count: 50_000) + "!"
        let pattern = try Pattern(pattern)
        #expect(!pattern.matches(anywhere: text))
        #expect(!pattern.matchesWhole(text))
    }

    @Test func withLittleMemoryAMatchIsSlowerAndNotWrong() throws {
        // The states of this one's automaton are 2^12.
        let pattern = try Pattern("^[ab]*a[ab]{12}$", maxMemory: 40 << 10)
        var text = ""
        var seed: UInt64 = 1
        for _ in 0..<20_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            text += seed >> 63 == 0 ? "a" : "b"
        }
        #expect(pattern.matches(anywhere: text + "abbbbbbbbbbbb"))
        #expect(!pattern.matches(anywhere: text + "bbbbbbbbbbbbb"))
    }

    @Test func theWholeIsMoreThanAPart() throws {
        let pattern = try Pattern("a+|b")
        #expect(pattern.matchesWhole("aaa") && pattern.matchesWhole("b"))
        #expect(!pattern.matchesWhole("aab") && !pattern.matchesWhole("") && !pattern.matchesWhole("a\n"))
        #expect(try Pattern("").matchesWhole(""))
        #expect(Array("aa".utf8).withUnsafeBytes { pattern.matchesWhole($0) })
        #expect("\(pattern)" == "a+|b")
    }

    @Test func bytesThatAreNoTextFitNothing() throws {
        let dot = try Pattern("^.*$")
        for bytes in [[0xff], [0x61, 0xc3], [0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]] as [[UInt8]] {
            #expect(!bytes.withUnsafeBytes { dot.matches(anywhere: $0) })
            #expect(!bytes.withUnsafeBytes { dot.matchesWhole($0) })
        }
        // What stands beside them is found all the same.
        #expect(try ([0xff, 0x61, 0xff] as [UInt8]).withUnsafeBytes { try Pattern("a").matches(anywhere: $0) })
        #expect(try ([] as [UInt8]).withUnsafeBytes { try Pattern("^$").matches(anywhere: $0) })
    }

    @Test func manyThreadsAtOnceUseOnePattern() throws {
        let pattern = try Pattern("^(?:[a-f]{3}|x)+[0-9]{2,}$", maxMemory: 64 << 10)
        DispatchQueue.concurrentPerform(iterations: 5000) { index in
            let text = String(repeating: "abc", count: index % 50) + "x\(index)"
            #expect(pattern.matches(anywhere: text) == (index >= 10))
        }
    }
}
