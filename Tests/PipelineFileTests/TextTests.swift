import Foundation
import PipelineKit
import TestSupport
import Testing
import YAML

@testable import PipelineFile

/// What is done to texts, byte by byte.
@Suite struct TextTests {
    private func rendered(_ text: String, _ name: String = "a.yaml") throws -> String {
        let folder = try FileFolder([name: text])
        let (pipeline, report) = EffectivePipeline.load("\(folder.path)/\(name)", registry: StageRegistry())
        #expect(report.description == "")
        return try #require(pipeline).yaml.replacingOccurrences(of: "\(folder.path)/", with: "")
    }

    /// A default may hold what ends a line, and the file's name too: nothing of that gets out of the comment.
    @Test(arguments: ["\\n", "\\r\\n", "\\r", "\\N", "\\L", "\\P", "\\0", "\\x1b"])
    func nothingGetsOutOfAComment(end: String) throws {
        let yaml = try rendered("pipeline: \"${HECATE_TEST_NOT_SET:-a\(end)sink: evil}\"\n", "a\u{85}\nb.yaml")
        let (node, problems) = YAMLParser.parse(Array(yaml.utf8))
        #expect(problems.isEmpty, "\(yaml)")
        guard case .mapping(let members)? = node?.content else {
            Issue.record("\(yaml)")
            return
        }
        #expect(members.map(\.key) == ["pipeline"], "\(yaml)")
    }

    @Test(arguments: [
        ("plain", "plain"), ("a/b.c:1@d+e-f_g", "a/b.c:1@d+e-f_g"), ("/x", "/x"), ("_", "_"), ("x:", "\"x:\""),
        ("1a", "\"1a\""),
        ("-a", "\"-a\""), ("Yes", "\"Yes\""), ("NULL", "\"NULL\""), ("", "\"\""), ("a b", "\"a b\""),
        ("a#b", "\"a#b\""),
        ("a\\n", "\"a\\n\""), ("a\\r\\n", "\"a\\r\\n\""), ("\u{e4}", "\"\u{e4}\""), ("a\u{301}", "\"a\u{301}\""),
        ("$$x", "\"$$x\""),
        ("$$$${y}", "\"$$$${y}\""),
    ])
    func aTextIsWrittenSoThatItIsReadAgain(text: String, written: String) throws {
        #expect(try rendered("pipeline: \"\(text)\"\n").hasPrefix("pipeline: \(written)  # a.yaml:1"))
    }

    @Test(arguments: [
        ("a.yaml", "b.yaml", "b.yaml"), ("x/a.yaml", "b.yaml", "x/b.yaml"), ("x/a.yaml", "./b.yaml", "x/b.yaml"),
        ("x/y/a.yaml", "../b.yaml", "x/b.yaml"), ("x/a.yaml", "../../b.yaml", "../b.yaml"),
        ("./a.yaml", "b.yaml", "b.yaml"),
        ("../a.yaml", "../b.yaml", "../../b.yaml"), ("/x/a.yaml", "../../../b.yaml", "/b.yaml"),
        ("/x//y/a.yaml", "b.yaml", "/x/y/b.yaml"),
        ("x/a.yaml", "/b.yaml", "/b.yaml"), ("x/a.yaml", "/y/../b.yaml", "/y/../b.yaml"),
        ("x/a.yaml", "~/b.yaml", "x/~/b.yaml"),
    ])
    func aPathIsSeenFromItsFilesFolder(file: String, path: String, resolved: String) {
        #expect(Layers.resolve(path, from: file) == resolved)
    }

    /// `link/..` is where the link leads to, for the system and for us.
    @Test func aLinkToAFolderIsNotLeftBeforeItWasFollowed() throws {
        let folder = try FileFolder([
            "there/inner/over.yaml": "extends: ../base.yaml\nlanes: 3\n", "there/base.yaml": "pipeline: right\n",
            "base.yaml": "pipeline: wrong\n",
        ])
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/link", withDestinationPath: "\(folder.path)/there/inner")
        let (pipeline, report) = EffectivePipeline.load("\(folder.path)/link/over.yaml", registry: StageRegistry())
        #expect(report.description == "")
        #expect(pipeline?.yaml.contains("right") == true)
    }

    @Test func circlesAreSeenThroughLinks() throws {
        let folder = try FileFolder(["a.yaml": "extends: b.yaml\n"])
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/b.yaml", withDestinationPath: "a.yaml")
        let (_, report) = EffectivePipeline.load("\(folder.path)/a.yaml", registry: StageRegistry())
        #expect(report.description.contains("the files extend each other in a cycle"))
    }

    @Test(arguments: [
        ("  password: hunter2", "  password: …"), ("apiKEY: x", "apiKEY: …"), ("token:", "token:"),
        ("token:   ", "token:   "),
        ("a: b", "a: b"), ("secret\u{301}: x", "secret\u{301}: …"), ("bearer:\u{301}x", "bearer: …"),
        ("\u{130}\u{130}\u{130} password: x", "\u{130}\u{130}\u{130} password: …"), ("passwd x", "passwd x"),
    ])
    func aLineIsShownWithoutItsSecret(line: String, shown: String) {
        #expect(Array(Report.masked(line[...]).utf8) == Array(shown.utf8))
    }

    @Test func keysThatSoundSecret() {
        #expect(
            Report.soundsSecret("clientSecret") && Report.soundsSecret("PASSWORD")
                && Report.soundsSecret("secret\u{301}"))
        #expect(!Report.soundsSecret("tokenID") && !Report.soundsSecret("address"))
    }

    @Test(arguments: ["\n", "\r\n", "\r"]) func theLineOfAMistakeIsFoundWhateverEndsLines(end: String) throws {
        let folder = try FileFolder(["a.yaml": ["one: 1", "two: [", "x: }"].joined(separator: end)])
        let (_, report) = EffectivePipeline.load("\(folder.path)/a.yaml", registry: StageRegistry())
        #expect(report.description.contains(" | x: }\n"), "\(report.description)")
    }

    @Test func filesAreReadWithoutTheirLastLineEnds() throws {
        let folder = try FileFolder([
            "a": "secret\r\n\r\n", "b": " x \n", "large": String(repeating: "x", count: 65_537),
        ])
        let system = Substitution.system
        #expect(try system.apply(to: "${file:\(folder.path)/a}|") == "secret|")
        #expect(try system.apply(to: "${file:\(folder.path)/b}|") == " x |")
        for (name, message) in [
            ("large", "is larger than 65536 bytes"), ("none", "cannot be read"), ("", "cannot be read"),
        ] {
            let failure = #expect(throws: Substitution.Failure.self) {
                try system.apply(to: "${file:\(folder.path)/\(name)}")
            }
            #expect(failure?.message.contains(message) == true, "\(failure?.message ?? "")")
        }
        #expect(try system.apply(to: "${PATH}") == ProcessInfo.processInfo.environment["PATH"])
    }

    @Test(arguments: [
        ("a/b/production.yaml", "production"), ("a.b.yaml", "a.b"), (".yaml", ".yaml"), ("/dev/stdin", "stdin"),
        ("name.", "name."),
    ])
    func aPipelineWithoutANameHasThatOfItsFile(path: String, name: String) {
        var registry = StageRegistry()
        registry.add(.source, Self.declaration("in")) { _, _ in throw OptionError("not made") }
        registry.add(.sink, Self.declaration("out")) { _, _ in throw OptionError("not made") }
        let (root, _) = PipelineFile.tree(of: Array("source: in\nsink: out".utf8), named: path)
        var reader = PipelineReader(registry: registry, path: path)
        #expect(root.flatMap { reader.read($0) }?.pipeline.name == name)
    }

    private static func declaration(_ name: String) -> StageDeclaration {
        StageDeclaration(name: name, summary: "", example: "")
    }

    @Test(
        arguments: [
            ("http://a/metrics", nil), ("https://[::1]:9/m?x", nil), ("a:1", "'a:1' is no URL"),
            ("ftp://a", "'ftp://a' is no URL"),
            ("http+unix://%2Fx/", "is no URL"), ("http://a b/", "is no URL"),
            (
                "http://u:hunter2@a/",
                "this is no URL such as http://tr1d1um:6103/metrics: it holds a user or a password"
            ),
        ] as [(String, String?)])
    func theURLOfAListIsReadStrictly(url: String, problem: String?) {
        let text = "operations: {lists: [{name: a, url: \"\(url)\", metric: b}]}"
        let (root, _) = PipelineFile.tree(of: Array(text.utf8), named: "x")
        var reader = PipelineReader(registry: StageRegistry(), path: "x")
        _ = root.map { reader.read($0) }
        let messages = reader.diagnostics.all.map(\.message).filter { $0.contains("URL") }
        #expect(messages.count == (problem == nil ? 0 : 1))
        if let problem {
            #expect(messages.first?.contains(problem) == true && messages.first?.contains("hunter2") == false)
        }
    }
}
