import Foundation
import PipelineKit
import Stages
import Telemetry
import Testing

@testable import PipelineFile

@Suite struct PipelineFileTests {
    /// Loads a text as a file, in an environment of the test's own.
    private func load(
        _ text: String, environment: [String: String] = [:], files: [String: String] = [:]
    ) throws -> (files: [PipelineFile], report: String) {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("hecate-\(UUID().uuidString).yaml")
            .path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let substitution = Substitution(
            variable: { environment[$0] },
            file: { path in
                guard let text = files[path] else {
                    throw Substitution.Failure(message: "the file '\(path)' cannot be read")
                }
                return text
            })
        let (loaded, report) = PipelineFile.load([path], registry: .standard, substitution: substitution)
        return (loaded, report.description.replacingOccurrences(of: path, with: "FILE"))
    }

    @Test func readsAGoodFile() throws {
        let (files, report) = try load(
            """
            pipeline: p
            lanes: 3
            capacity: 10
            shutdownGrace: 5s
            retry: {initial: 1s, max: 2s, maxElapsed: 3s}
            operations: {metrics: ":1", health: ":2"}
            source: stdin
            stages:
              - name: half
                filter: {sample: 50}
              - transform: argus-item
            sink: {argus: {address: "http://localhost:6600"}}
            """)
        #expect(report == "")
        let file = try #require(files.first)
        #expect(file.pipeline.name == "p")
        #expect(file.pipeline.stages.map(\.name) == ["half", "argus-item"])
        #expect(file.pipeline.settings.lanes == 3)
        #expect(file.pipeline.settings.retry.maxElapsed == .seconds(3))
        #expect(file.operations == .init(metrics: ":1", health: ":2"))
    }

    @Test func aMistakeReadsLikeACompilers() throws {
        let (_, report) = try load(
            """
            source:
              sns:
                topicArm: arn:aws:sns:us-east-1:000000000000:t
            sink: drop
            """)
        #expect(
            report == """
                FILE:2:3: error: source sns needs the option 'topicArn' (string): the topic
                  2 |   sns:
                    |   ^~~
                FILE:3:5: error: source sns has no option 'topicArm'; did you mean 'topicArn'?
                  3 |     topicArm: arn:aws:sns:us-east-1:000000000000:t
                    |     ^~~~~~~~
                """)
    }

    @Test(arguments: [
        ("[1]", "a pipeline file is a map"),
        ("source: stdin", "a pipeline needs the option 'sink'"),
        ("source: stdim\nsink: drop", "there is no source 'stdim'; did you mean 'stdin'?"),
        ("source: {stdin: {}, file: {path: x}}\nsink: drop", "one kind of source"),
        ("source: stdin\nsink: drop\nstages: {}", "expected a list of stages"),
        ("source: stdin\nsink: drop\nstages: [{name: x}]", "exactly one of 'filter' and 'transform'"),
        ("source: stdin\nsink: drop\nsinks: drop", "a pipeline has no option 'sinks'; did you mean 'sink'?"),
        (
            "source: stdin\nsink: {argus: {address: http://a}}",
            "sink argus accepts argus-item, but gets bytes; put 'transform argus-item'"
        ),
        (
            "source: stdin\nsink: drop\nstages: [{filter: {sample: 1}}, {filter: {sample: 2}}]",
            "another stage has the name 'sample', too"
        ),
        ("source: stdin\nsink: drop\nstages: [{filter: {match: {field: a}}}]", "needs a test such as"),
        (
            "source: stdin\nsink: drop\nstages: [{filter: {match: {field: a, regex: \"(\"}}}]",
            "no valid regular expression"
        ),
        ("source: {sns: {topicArn: x, subscribe: false}}\nsink: drop", "is no ARN of a topic"),
        ("source: {sns: {topicArn: \"arn:aws:sns:r:1:t\"}}\nsink: drop", "'publicURL' is needed"),
        (
            "source: {sns: {topicArn: \"arn:aws:sns:r:1:t\", subscribe: false, trustedCertificateURLs: [\"http://a\"]}}\nsink: drop",
            "with the slash after the host"
        ),
        ("source: stdin\nsink: drop\nspool: {path: x}", "add 'deadLetters'"),
        ("source: stdin\nsink: drop\ndeadLetters: {sqlite: {}}", "needs the option 'path'"),
        ("source: stdin\nsink: drop\ndeadLetters: {argus: {address: http://a}}", "dead letters are bytes"),
        (
            "source: stdin\nsink: drop\noperations: {lists: [{name: a, url: \"tr1d1um:6103\", metric: b}]}",
            "'tr1d1um:6103' is no URL such as http://"
        ),
        ("source: stdin\nsink: ${NOPE}", "the environment variable NOPE is not set"),
        ("source: stdin\nsink: ${NOPE:?set it}", "NOPE is not set: set it"),
        ("source: stdin\nsink: ${file:/nope}", "the file '/nope' cannot be read"),
        ("source: stdin\nsink: ${", "'${' without its '}'"),
    ])
    func saysWhatIsWrong(text: String, message: String) throws {
        let (files, report) = try load(text)
        // What only shows when stages are made shows when they are.
        var diagnostics = Diagnostics()
        for file in files { _ = file.pipeline.build(logger: .init(label: "test"), &diagnostics) }
        let all = report + diagnostics.all.map(\.message).joined()
        #expect(all.contains(message), "\(all)")
    }

    @Test func replacesVariablesAndFiles() throws {
        let (files, report) = try load(
            """
            pipeline: "${NAME}-$$x-${MISSING:-y}-${file:secret}"
            lanes: ${LANES}
            source: stdin
            sink: drop
            """, environment: ["NAME": "n${LANES}", "LANES": "7"], files: ["secret": "s"])
        #expect(report == "")
        #expect(files.first?.pipeline.name == "n${LANES}-$x-y-s")
        #expect(files.first?.pipeline.settings.lanes == 7)
    }

    @Test func noExcerptShowsASecret() throws {
        for line in [
            "auth: {basic: hunter2, xx: 1}", "auth: {basicc: hunter2}", "auth: {bearer: 'hunter2', basic: [hunter2]}",
            "secretAccessKey: hunter2", "passwort: hunter2",
        ] {
            let (_, report) = try load(
                "source: stdin\nstages: [{transform: argus-item}]\nsink:\n  argus:\n    address: http://a\n    \(line)\n"
            )
            #expect(report.contains("error"))
            #expect(!report.contains("hunter2"), "\(report)")
        }
    }

    @Test func everyShippedPipelineIsGood() throws {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("pipelines")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
            .filter { $0.hasSuffix(".yaml") && !$0.hasSuffix(".test.yaml") }
            .map { directory.appendingPathComponent($0).path }
        #expect(paths.count > 5)
        let substitution = Substitution(
            variable: { name in
                // What has a default is to be good with it.
                switch name {
                case "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:t"
                case "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/t"
                case "READER_LISTEN": ":6000"
                case "ARGUS_AUTH": "user:pass"
                case "ARGUS_URL", "NEW_ARGUS_URL", "HECATE_PUBLIC_URL", "READER_URL": "https://a.example.net"
                default: nil
                }
            },
            file: { _ in "user:pass" })
        for path in paths {
            var (files, report) = PipelineFile.load([path], registry: .standard, substitution: substitution)
            for file in files { _ = file.pipeline.build(logger: .init(label: "test"), &report.diagnostics) }
            #expect(report.description == "")
        }
    }

    @Test func theExampleOfTheReadmeIsGood() throws {
        let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("README.md")
        let parts = try String(contentsOf: readme, encoding: .utf8).components(separatedBy: "```")
        let examples = parts.filter { $0.hasPrefix("yaml\n") }.map { String($0.dropFirst(5)) }
        #expect(!examples.isEmpty)
        for example in examples {
            let (files, report) = try load(example, files: ["/run/secrets/argus": "user:pass"])
            #expect(report == "")
            var diagnostics = Diagnostics()
            for file in files { _ = file.pipeline.build(logger: .init(label: "test"), &diagnostics) }
            #expect(files.count == 1 && diagnostics.all.isEmpty, "\(diagnostics.all)")
        }
    }

    @Test func everyKindsExampleIsGood() throws {
        for role in StageRegistry.Role.allCases {
            for kind in StageRegistry.standard.kinds(role) {
                var text = kind.declaration.example
                if role != .source { text += "\nsource: stdin" }
                if role != .sink { text += "\nsink: drop" }
                if role == .sink, text.contains("argus:") { text += "\nstages: [{transform: argus-item}]" }
                let (files, report) = try load(text, files: ["/run/secrets/argus": "user:pass"])
                #expect(report == "", "\(kind.title)")
                var diagnostics = Diagnostics()
                for file in files { _ = file.pipeline.build(logger: .init(label: "test"), &diagnostics) }
                #expect(files.count == 1 && diagnostics.all.isEmpty, "\(kind.title): \(diagnostics.all)")
            }
        }
    }
}
