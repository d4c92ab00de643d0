import Testing
import Wire

@Suite struct JSONTreeTests {
    private func tree(_ text: String) throws -> JSONTree { try JSONTree(parsing: Array(text.utf8)) }
    private func text(_ tree: JSONTree) -> String { String(decoding: tree.bytes, as: UTF8.self) }

    @Test(arguments: [
        #"{"a":[1,-2.50,1e400,true,null,"x\n\u00e9"],"b":{},"a":2}"#, "[]", "\"\"", "0", "[[[]]]",
        #"{"large":123456789012345678901234567890}"#,
    ])
    func whatIsReadIsWrittenAgain(json: String) throws {
        let read = try tree(json)
        #expect(try tree(text(read)) == read)
        #expect(try JSONTree(parsing: Array(read.pretty.utf8)) == read)
    }

    @Test func aNumberKeepsItsWriting() throws {
        #expect(text(try tree("[1.50, 1E2, 123456789012345678901]")) == "[1.50,1E2,123456789012345678901]")
    }

    @Test func whatIsTooDeepIsRefused() throws {
        let deep = String(repeating: "[", count: 201) + String(repeating: "]", count: 201)
        #expect(throws: JSONError.self) { try tree(deep) }
        #expect(throws: JSONError.self) { try tree("{") }
    }

    @Test(arguments: [
        (#"{"a":1,"b":[{"c":1,"d":2}]}"#, #"{"b":[{"d":2.0,"c":1e0}],"a":1.0}"#, true),
        (#"{"a":1,"a":2}"#, #"{"a":2}"#, true), ("[1,2]", "[2,1]", false), (#"{"a":null}"#, "{}", false),
        ("9007199254740993", "9007199254740992", false),
    ])
    func whatMeansTheSameIsEqual(left: String, right: String, equal: Bool) throws {
        #expect((try tree(left).canonical == tree(right).canonical) == equal)
    }

    @Test func pathsAreFoundAsGoFindsThem() throws {
        var json = try tree(#"{"A":{"b":1},"a":{"B":2}}"#)
        #expect(json.value(at: ["a", "b"]) == .number("2"))
        let hasChanged = json.set(.bool(true), at: ["a", "c", "d"])
        #expect(hasChanged && text(json) == #"{"A":{"b":1},"a":{"B":2,"c":{"d":true}}}"#)
        let isInTheWay = json.set(.null, at: ["a", "b", "c"])
        #expect(!isInTheWay)
        #expect(json.remove(at: ["a"]) == json.value(at: ["a"]) || json == .object([]))
    }
}

@Suite struct FieldPathElementTests {
    private let json = Array(
        #"{"a":[{"b":[1,2]},{"b":[3]},{}],"c":[],"d":[[1],[2]],"e":{"f":null},"A2":[{"x":{}}]}"#.utf8)

    @Test(arguments: [
        ("a[*].b[*]", FieldPath.Value.list(["1", "2", "3"])), ("a[0].b[1]", .text("2")), ("a[1].b", .list(["3"])),
        ("d[*][0]", .list(["1", "2"])), ("d[1][0]", .text("2")), ("a[*]", .object), ("a2[*].x", .object),
    ])
    func elementsAreFound(path: String, value: FieldPath.Value) throws {
        #expect(try FieldPath(path)?.value(in: json) == value)
    }

    @Test(arguments: ["c[*]", "c[0]", "a[9]", "e[*]", "e.f[*]", "a[2].b[*]", "nope[*].x"])
    func whatIsNotThereIsNothing(path: String) throws {
        let path = try #require(FieldPath(path))
        #expect(try path.value(in: json) == nil)
    }

    @Test(arguments: ["a[", "a]", "a[]", "a[-1]", "a[x]", "a[*", "[0]", "a[0]b", "a..b", "", ".", "a[ 0]"])
    func whatIsNoPathIsNone(path: String) { #expect(FieldPath(path) == nil) }
}
