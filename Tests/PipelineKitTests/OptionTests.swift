import Testing

@testable import PipelineKit

@Suite struct OptionTests {
    private static let count = Option("count", .int(1...10), default: 3, help: "how many")
    private static let name = Option("name", .string, help: "what it is called")
    private static let password = Option(optional: "password", .secret, help: "a password")
    private static let sizes = Option("sizes", .list(of: .byteCount), default: [], help: "some sizes")
    private static let pause = Option("pause", .duration, default: .seconds(1), help: "a pause")
    private static let all: [any OptionDeclaration] = [count, name, password, sizes, pause]

    private func node(_ content: ConfigNode.Content, line: Int = 1) -> ConfigNode {
        ConfigNode(content, at: SourceLocation(file: "f", line: line, column: 1))
    }

    private func map(_ members: [(String, ConfigNode.Content)]) -> ConfigNode {
        node(
            .map(
                members.enumerated().map { index, member in
                    .init(
                        key: member.0, keyLocation: SourceLocation(file: "f", line: index + 1, column: 1),
                        value: node(member.1, line: index + 1))
                }))
    }

    private func read(_ members: [(String, ConfigNode.Content)]) -> (Options?, [String]) {
        var diagnostics = Diagnostics()
        let options = Options.read(map(members), declarations: Self.all, owner: "sink test", &diagnostics)
        return (options, diagnostics.all.map(\.message))
    }

    @Test func readsWhatIsDeclaredAndFillsInDefaults() throws {
        let (read, messages) = read([
            ("name", .string("x")), ("sizes", .list([node(.string("64KiB")), node(.int(5))])),
        ])
        #expect(messages.isEmpty)
        let options = try #require(read)
        #expect(options[Self.name] == "x")
        #expect(options[Self.count] == 3)
        #expect(options[Self.sizes] == [65536, 5])
        #expect(options[Self.password] == nil)
    }

    @Test func reportsAllMistakesAtOnceWithSuggestions() {
        let (options, messages) = read([
            ("nmae", .string("x")), ("count", .int(11)), ("pause", .int(5)), ("password", .int(5)),
            ("sizes", .string("5 parsecs")),
        ])
        #expect(options == nil)
        #expect(messages.count == 6)
        #expect(messages.contains("sink test has no option 'nmae'; did you mean 'name'?"))
        #expect(messages.contains("11 is out of range: at most 10 is expected"))
        #expect(messages.contains("a duration needs a unit, as in 5s or 5ms"))
        #expect(messages.contains("sink test needs the option 'name' (string): what it is called"))
    }

    @Test func aSecretIsNeverShown() throws {
        let (read, _) = read([("name", .string("x")), ("password", .string("hunter2"))])
        let options = try #require(read)
        let secret = try #require(options[Self.password])
        #expect(secret.revealed == "hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        for shown in ["\(secret)", String(reflecting: secret), dumped, "\(String(describing: read))"] {
            #expect(!shown.contains("hunter2"))
        }
    }

    @Test func suggestsOnlyWhatIsNear() {
        #expect(suggestion(for: "topicArm", among: ["topicArn", "listen"]) == "; did you mean 'topicArn'?")
        #expect(suggestion(for: "tpoicArn", among: ["topicArn"]) == "; did you mean 'topicArn'?")
        #expect(suggestion(for: "xyzzy", among: ["topicArn", "listen"]) == "")
    }
}
