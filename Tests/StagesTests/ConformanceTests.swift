import Foundation
import HTTP
import Locking
import StageTestKit
import TestServers
import TestSupport
import Testing
import Webhooks
import Wire

@testable import PipelineKit
@testable import Stages

/// Every sink and every source that ships, through the suite that authors of others are given.
@Suite struct ConformanceTests {
    /// A folder for files, removed afterwards.
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("conformance-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    /// An outage of files: their folder is not there.
    private func outage<Tested: Sink>(of folder: String, _ type: Tested.Type) -> SinkConformance<Tested>.Outage {
        .init(
            begin: { try? FileManager.default.removeItem(atPath: folder) },
            end: { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) })
    }

    private func outage<Tested: Sink>(_ isDown: Protected<Bool>, _ type: Tested.Type) -> SinkConformance<Tested>.Outage
    {
        .init(begin: { isDown.with { $0 = true } }, end: { isDown.with { $0 = false } })
    }

    // MARK: - Sinks

    /// A source or a sink that is registered has a test here or in a file of its own that runs its suite.
    @Test func everyRegisteredSourceAndSinkIsChecked() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let registry = tests.deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources/Stages/StandardStages.swift")
        let types = try String(contentsOf: registry, encoding: .utf8)
            .matches(of: #/registry\.register\((\w+(?:Source|Sink))\.self\)/#).map { String($0.output.1) }
        #expect(types.count >= 20)
        let files = try FileManager.default.contentsOfDirectory(atPath: tests.path).filter { $0.hasSuffix(".swift") }
        let text = try files.map { try String(contentsOf: tests.appendingPathComponent($0), encoding: .utf8) }.joined()
        let checked = Set(
            text.matches(of: #/(?:Sink|Source)Conformance\(\s*(\w+)\.self/#).map { String($0.output.1) })
        #expect(Set(types).subtracting(checked).isEmpty)
    }

    @Test func sinksThatWriteNowhere() async throws {
        do { let found = await SinkConformance(DropSink.self).check(); #expect(found == []) }
        do { let found = await SinkConformance(LogSink.self).check(); #expect(found == []) }
        let null = try OpenFile(writing: "/dev/null")
        let stdout = SinkConformance(
            StdoutSink.self, make: { StdoutSink($1, file: null) })
        do { let found = await stdout.check(); #expect(found == []) }
    }

    @Test func file() async throws {
        try await withFolder { folder in
            let there = "\(folder)/there"
            try FileManager.default.createDirectory(atPath: there, withIntermediateDirectories: true)
            let suite = SinkConformance(
                FileSink.self, options: "{path: \(there)/out.jsonl, rotate: {size: 1kB, keep: 2}}",
                outage: outage(of: there, FileSink.self))
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    @Test func exec() async throws {
        try await withFolder { folder in
            let program = "\(folder)/program"
            let script = "while read -r line; do echo '{\"outcome\": \"delivered\"}'; done\n"
            // Read by a shell: to start a file just written fails where another test forks while it is still open for writing.
            @Sendable func install() throws {
                try script.write(toFile: program, atomically: true, encoding: .utf8)
            }
            try install()
            let suite = SinkConformance(
                ExecSink.self, options: "{command: [bash, \(program)], timeout: 30s}",
                outage: .init(begin: { try FileManager.default.removeItem(atPath: program) }, end: { try install() }))
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    @Test func argus() async throws {
        let bucket = FakeServices.Bucket()
        try await Loopback.serve({ await bucket.answer($0) }) { base, _ in
            let suite = SinkConformance(
                ArgusSink.self, options: "{address: \"\(base)\", timeout: 10m}",
                outage: outage(bucket.isDown, ArgusSink.self),
                payload: { number in
                    ArgusItem(
                        id: ArgusItem.id(ofURL: "\(number)"), owner: "", data: Array("{\"a\":1}".utf8),
                        lifetime: ItemLifetime(end: .now() + .seconds(600)))
                })
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    @Test func http() async throws {
        let isDown = Protected(false)
        try await Loopback.serve({ _ in .init(status: isDown.with { $0 } ? 503 : 200) }) { base, _ in
            let suite = SinkConformance(
                HTTPSink.self, options: "{url: \"\(base)/x/{metadata.id}\", timeout: 10m}",
                outage: outage(isDown, HTTPSink.self))
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    private static let credentials = "region: us-east-1, credentials: {accessKeyID: a, secretAccessKey: b}"

    @Test func sqsSink() async throws {
        let queue = FakeServices.Queue()
        try await Loopback.serve({ await queue.answer($0) }) { base, _ in
            let suite = SinkConformance(
                SQSSink.self, options: "{queueURL: \"\(base)/1/q\", \(Self.credentials)}",
                outage: outage(queue.isDown, SQSSink.self))
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    @Test func snsSink() async throws {
        let topic = FakeServices.Topic()
        try await Loopback.serve({ await topic.answer($0) }) { base, _ in
            let suite = SinkConformance(
                SNSSink.self,
                options: "{topicArn: \"arn:aws:sns:us-east-1:1:t\", endpoint: \"\(base)\", \(Self.credentials)}",
                outage: outage(topic.isDown, SNSSink.self))
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    @Test(arguments: ["fan-out", "fallback", "switch", "mirror"])
    func sinksThatHoldOthers(name: String) async throws {
        try await withFolder { folder in
            let there = "\(folder)/there"
            try FileManager.default.createDirectory(atPath: there, withIntermediateDirectories: true)
            let a = "{file: {path: \(there)/a.jsonl}}", b = "{file: {path: \(there)/b.jsonl}}"
            let registry = StageRegistry.standard
            let found: [String]
            switch name {
            case "fan-out":
                found = await SinkConformance(
                    FanOutSink.self, options: "{sinks: [\(a), \(b)]}", registry: registry,
                    outage: outage(of: there, FanOutSink.self)
                ).check()
            case "fallback":
                found = await SinkConformance(
                    FallbackSink.self, options: "{sinks: [\(a), \(b)]}", registry: registry,
                    outage: outage(of: there, FallbackSink.self)
                ).check()
            case "switch":
                found = await SinkConformance(
                    SwitchSink.self,
                    options: "{cases: [{when: {number: {above: 10}}, sink: \(a)}], otherwise: \(b)}",
                    registry: registry,
                    outage: outage(of: there, SwitchSink.self)
                ).check()
            default:
                found = await SinkConformance(
                    MirrorSink.self, options: "{sink: \(a), copy: \(b)}", registry: registry,
                    outage: outage(of: there, MirrorSink.self)
                ).check()
            }
            #expect(found == [])
        }
    }

    // MARK: - Sources

    @Test func sourcesThatHaveTheirMessages() async throws {
        try await withFolder { folder in
            let path = "\(folder)/in.jsonl"
            try (1...12).map { "{\"config\":{\"url\":\"u\($0)\"}}\n" }.joined()
                .write(toFile: path, atomically: true, encoding: .utf8)
            do {
                let found = await SourceConformance(FileSource.self, options: "{path: \(path)}").check();
                #expect(found == [])
            }
            do {
                let found = await SourceConformance(GenerateSource.self, options: "{count: 12}").check();
                #expect(found == [])
            }
            let stdin = SourceConformance(StdinSource.self, options: "{}") { options, context in
                StdinSource(options, context, file: try OpenFile(reading: path))
            }
            do { let found = await stdin.check(); #expect(found == []) }
        }
    }

    /// Posts with a client; whether that was answered 200.
    private func post(_ url: String, _ body: String) async throws -> Bool {
        try await HTTPClient.once("POST", url, body: Array(body.utf8)).status == 200
    }

    @Test func httpSource() async throws {
        let port = try FreePort.find()
        let suite = SourceConformance(
            HTTPSource.self, options: "{listen: \"127.0.0.1:\(port)\", answerWithin: 10m}",
            feed: .init { try await self.post("http://127.0.0.1:\(port)/", "{\"config\":{\"url\":\"u\($0)\"}}") })
        do { let found = await suite.check(); #expect(found == []) }
    }

    @Test func snsSource() async throws {
        let port = try FreePort.find()
        let topic = "arn:aws:sns:us-east-1:000000000000:t"
        let suite = SourceConformance(
            SNSSource.self,
            options:
                "{topicArn: \"\(topic)\", listen: \"127.0.0.1:\(port)\", subscribe: false, verifySignature: false, answerWithin: 10m}",
            feed: .init { number in
                let envelope =
                    "{\"Type\":\"Notification\",\"MessageId\":\"m\(number)\",\"TopicArn\":\"\(topic)\",\"Message\":\"{}\",\"Timestamp\":\"2026-01-01T00:00:00.000Z\"}"
                return try await self.post("http://127.0.0.1:\(port)/api/v2/aws/sns", envelope)
            })
        do { let found = await suite.check(); #expect(found == []) }
    }

    @Test func sqsSource() async throws {
        let queue = FakeServices.Queue()
        try await Loopback.serve({ await queue.answer($0) }) { base, _ in
            let suite = SourceConformance(
                SQSSource.self, options: "{queueURL: \"\(base)/1/q\", wait: 1s, visibility: 10m, \(Self.credentials)}",
                feed: .init { number in
                    queue.add("m\(number)", "{\"config\":{\"url\":\"u\(number)\"}}")
                    return nil
                })
            do { let found = await suite.check(); #expect(found == []) }
            #expect(queue.deleted.count == 24)
        }
    }

    @Test func argusSource() async throws {
        let bucket = FakeServices.Bucket()
        try await Loopback.serve({ await bucket.answer($0) }) { base, _ in
            let suite = SourceConformance(
                ArgusSource.self, options: "{address: \"\(base)\", interval: 100ms, timeout: 10m}",
                feed: .init { number in
                    bucket.put("item-\(number)", "{\"n\":\(number)}")
                    return nil
                })
            do { let found = await suite.check(); #expect(found == []) }
        }
    }

    // MARK: - The suite itself

    /// A sink that does everything wrong.
    private final class BadSink: Sink {
        static let declaration = StageDeclaration(
            name: "Bad_Sink", summary: "Does it wrong.", options: [Option("x", .bool, default: true, help: "")],
            example: "nothing")
        let capabilities = SinkCapabilities(batch: 4, inFlight: 2)
        init(_ options: Options, _ context: StageContext) throws {}
        func write(_ batch: [Message]) async -> [WriteOutcome] { [.delivered] }
    }

    @Test func theSuiteFindsWhatIsWrong() async {
        let found = await SinkConformance(BadSink.self).check()
        for part in [
            "is no name such as", "the summary is one line", "has no help", "the example is no piece",
            "gave 1 answers for 0 messages", "gave 1 answers for 4 messages",
        ] { #expect(found.contains { $0.contains(part) }, "\(part): \(found)") }
    }
}
