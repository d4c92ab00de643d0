import Testing
@testable import YAML

@Suite struct YAMLParserTests {
    private func parse(_ text: String) -> (YAMLNode?, [YAMLError]) { YAMLParser.parse(Array(text.utf8)) }

    private func value(_ text: String) throws -> YAMLScalar.Value {
        let node = try #require(parse("a: \(text)").0)
        guard case .mapping(let members) = node.content, case .scalar(let scalar) = members[0].value.content else {
            throw YAMLError(message: "no scalar", mark: node.mark)
        }
        return scalar.resolved
    }

    @Test func resolvesTheCoreSchema() throws {
        for text in ["", "~", "null", "Null", "NULL"] { #expect(try value(text) == .null) }
        #expect(try value("true") == .bool(true))
        #expect(try value("FALSE") == .bool(false))
        for text in ["yes", "no", "on", "off", "Yes", "0777x", "1.2.3", "0x", "1e", "--1", "1_000", "12:30:45", "0o8"] {
            #expect(try value(text) == .string(text))
        }
        #expect(try value("0777") == .int(777))
        #expect(try value("0o17") == .int(15))
        #expect(try value("0xFF") == .int(255))
        #expect(try value("-12") == .int(-12))
        #expect(try value("1.5e3") == .double(1500))
        #expect(try value(".5") == .double(0.5))
        #expect(try value("1.") == .double(1))
        #expect(try value(".inf") == .double(.infinity))
        #expect(try value("\"12\"") == .string("12"))
        #expect(try value("!!str 12") == .string("12"))
        #expect(try value("|\n  two\n  lines") == .string("two\nlines"))
    }

    @Test func knowsWhereThingsStand() throws {
        let root = try #require(parse("a: 1\nbb:\n  - x\n  - yy: zzz\n").0)
        guard case .mapping(let members) = root.content, case .sequence(let list) = members[1].value.content,
            case .mapping(let inner) = list[1].content
        else { throw YAMLError(message: "another shape", mark: root.mark) }
        #expect(members[1].keyMark == YAMLMark(line: 2, column: 1, length: 2))
        #expect(list[0].mark == YAMLMark(line: 3, column: 5))
        #expect(inner[0].value.mark == YAMLMark(line: 4, column: 9, length: 3))
    }

    @Test func resolvesAliasesAndMergeKeys() throws {
        let (root, problems) = parse(
            """
            base: &base {a: 1, b: 2}
            more: &more {b: 3, c: 4}
            one: {<<: *base, b: 9}
            two: {<<: [*base, *more]}
            three: *base
            """)
        #expect(problems.isEmpty)
        guard case .mapping(let members) = try #require(root).content else { return }
        func pairs(_ index: Int) -> [String: YAMLScalar.Value] {
            guard case .mapping(let inner) = members[index].value.content else { return [:] }
            return Dictionary(
                uniqueKeysWithValues: inner.compactMap {
                    guard case .scalar(let scalar) = $0.value.content else { return nil }
                    return ($0.key, scalar.resolved)
                })
        }
        #expect(pairs(2) == ["a": .int(1), "b": .int(9)])
        #expect(pairs(3) == ["a": .int(1), "b": .int(2), "c": .int(4)])
        #expect(pairs(4) == ["a": .int(1), "b": .int(2)])
    }

    @Test(arguments: [
        ("a: 1\na: 2\n", 2, 1, "twice"), ("a: *nope\n", 1, 4, "no anchor"), ("a: {b: 1\n", 2, 1, "not YAML"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"), ("a: !thing 1\n", 1, 4, "tag"),
        ("? [x]\n: 1\n", 1, 3, "scalar"),
        ("<<: 5\n", 1, 5, "'<<'"), ("a: \"\\q\"\n", 1, 5, "not YAML"), ("\tx: 1\n", 1, 1, "not YAML"),
    ])
    func saysWhatIsWrongAndWhere(text: String, line: Int, column: Int, message: String) throws {
        let problem = try #require(parse(text).1.first)
        #expect(problem.message.contains(message))
        #expect((problem.mark.line, problem.mark.column) == (line, column))
    }

    @Test func reportsEveryDuplicateOfAFile() { #expect(parse("a: 1\na: 2\nb: {c: 1, c: 2}\n").1.count == 2) }

    @Test func refusesWhatIsTooDeep() {
        #expect(parse(String(repeating: "[", count: 64) + String(repeating: "]", count: 64)).1.isEmpty)
        #expect(
            parse(String(repeating: "[", count: 65) + String(repeating: "]", count: 65)).1.first?.message.contains(
                "deeper") == true)
        #expect(parse(String(repeating: "[", count: 100_000)).0 == nil)
    }

    @Test func refusesAnAliasBombWithoutExpandingIt() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        let (root, problems) = parse(text)
        #expect(root == nil)
        #expect(problems.first?.message.contains("100000 values") == true)
        #expect(parse("a: &a [*a]").1.first?.message.contains("no anchor") == true)
    }

    @Test func refusesAFileThatIsTooLarge() {
        let text = [UInt8](repeating: UInt8(ascii: "#"), count: (4 << 20) + 1)
        #expect(YAMLParser.parse(text).1.first?.message.contains("larger") == true)
    }

    @Test func readsAnEmptyFileAsNothing() throws {
        let root = try #require(parse("# only a comment\n").0)
        guard case .scalar(let scalar) = root.content else { return }
        #expect(scalar.resolved == .null)
    }
}
