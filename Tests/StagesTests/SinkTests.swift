import AWS
import Foundation
import HTTP
import TestServers
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Stages

/// A sink whose outcomes a test decides by the message's id, one after the other.
private final class ScriptedSink: Sink {
    static let declaration = StageDeclaration(name: "scripted", summary: "", example: "")
    let capabilities = SinkCapabilities(batch: 8, inFlight: 2)
    private let context: StageContext
    /// What the sinks of a stage name answer, by id; delivered where nothing is left.
    static let outcomes = Protected<[String: [String: [WriteOutcome]]]>([:])
    static let written = Protected<[String: [String]]>([:])

    init(_ options: Options, _ context: StageContext) throws { self.context = context }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        batch.map { message in
            Self.written.with { $0[context.stage, default: []].append(message.id) }
            return Self.outcomes.with { outcomes in
                guard let next = outcomes[context.stage]?[message.id]?.first else { return .delivered }
                outcomes[context.stage]?[message.id]?.removeFirst()
                return next
            }
        }
    }
}

@Suite struct CombinatorTests {
    private let name = "t\(UUID().uuidString.prefix(8))"

    private func message(_ id: String) -> Message {
        Message(id: id, payload: Bytes(Array("{\"id\":\"\(id)\"}".utf8)), receivedAt: .now())
    }

    /// A sink of this options, in which `scripted` sinks may stand; their stage is `NAME.a`, `NAME.b`.
    private func make<StageType: Sink>(_ type: StageType.Type, _ options: String) async throws -> StageType {
        var registry = StageRegistry.standard
        registry.register(ScriptedSink.self)
        let read = try StageMaker.options(type, options, registry: registry)
        let sink = try StageType(read, StageMaker.context(name))
        try await sink.open()
        return sink
    }

    private func script(_ sink: String, _ id: String, _ outcomes: WriteOutcome...) {
        ScriptedSink.outcomes.with { $0["\(name).\(sink)", default: [:]][id] = outcomes }
    }

    private func written(_ sink: String) -> [String] { ScriptedSink.written.with { $0["\(name).\(sink)"] ?? [] } }

    private static let later = WriteOutcome.transient(reason: "later", retryAfter: .seconds(3))
    private static let never = WriteOutcome.permanent(reason: "never")
    private static let two = "[{name: a, scripted: {}}, {name: b, scripted: {}}]"

    @Test func fanOutTriesAgainOnlyWhereAMessageHasNotArrived() async throws {
        let sink = try await make(FanOutSink.self, Self.two)
        script("b", "1", Self.later, Self.later)
        let transient = WriteOutcome.transient(reason: "b: later", retryAfter: .seconds(3))
        #expect(await sink.write([message("1"), message("2")]) == [transient, .delivered])
        #expect(await sink.write([message("1")]) == [transient])
        #expect(await sink.write([message("1")]) == [.delivered])
        #expect(written("a") == ["1", "2"])
        #expect(written("b") == ["1", "2", "1", "1"])
        // Once it has arrived everywhere, one of the same id is another message.
        #expect(await sink.write([message("1")]) == [.delivered])
        #expect(written("a") == ["1", "2", "1"])
    }

    @Test func fanOutIsRefusedWhereOneRefuses() async throws {
        let sink = try await make(FanOutSink.self, Self.two)
        script("a", "1", Self.never)
        script("b", "1", Self.later)
        script("b", "2", .expired)
        script("a", "3", .superseded)
        script("b", "3", .superseded)
        #expect(
            await sink.write([message("1"), message("2"), message("3")]) == [
                .permanent(reason: "a: never"), .delivered, .superseded,
            ])
    }

    @Test func fallbackTakesTheFirstThatTakesIt() async throws {
        let sink = try await make(FallbackSink.self, Self.two)
        script("a", "1", Self.later)
        script("a", "2", Self.never)
        script("a", "3", Self.later)
        script("b", "3", Self.never)
        script("a", "4", Self.never)
        script("b", "4", Self.never)
        #expect(
            await sink.write(["0", "1", "2", "3", "4"].map(message)) == [
                .delivered, .delivered, .delivered, .transient(reason: "a: later", retryAfter: .seconds(3)),
                .permanent(reason: "b: never"),
            ])
        #expect(written("b") == ["1", "2", "3", "4"])
    }

    @Test func switchWritesWhereTheConditionSays() async throws {
        let cases = "{cases: [{when: {id: {equals: \"1\"}}, sink: {name: a, scripted: {}}}]"
        let sink = try await make(SwitchSink.self, cases + ", otherwise: {name: b, scripted: {}}}")
        script("b", "2", Self.later)
        #expect(await sink.write(["1", "2", "3"].map(message)) == [.delivered, Self.later, .delivered])
        #expect(written("a") == ["1"] && written("b") == ["2", "3"])
        let strict = try await make(SwitchSink.self, cases + "}")
        guard case .permanent? = await strict.write([message("9")]).first else {
            Issue.record("what no case takes is refused")
            return
        }
    }

    @Test func aMirrorsCopiesNeverCount() async throws {
        let sink = try await make(
            MirrorSink.self, "{sink: {name: a, scripted: {}}, copy: {name: b, scripted: {}}, queue: 2}")
        script("a", "1", Self.later)
        script("b", "2", Self.never)
        #expect(
            await sink.write(["1", "2", "3", "4", "5"].map(message)) == [Self.later]
                + Array(repeating: .delivered, count: 4))
        await sink.close()
        // What has not arrived is not copied; more than the queue holds is left out.
        #expect(written("b") == ["2", "3"])
    }

    @Test func aSinkInsideHasToTakeWhatComes() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("p-\(UUID().uuidString).yaml").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try "source: stdin\nsink: {fan-out: [{argus: {address: http://a}}, stdout]}".write(
            toFile: file, atomically: true, encoding: .utf8)
        let report = PipelineFileLoader.report(file)
        #expect(report.contains(":2:19: error: sink argus accepts argus-item, but gets bytes"), "\(report)")
    }
}

@Suite struct FileRotationTests {
    private func sink(_ folder: String, _ rotate: String, _ clock: Protected<Timestamp>) async throws -> FileSink {
        let sink = try StageMaker.make(
            FileSink.self, "{path: \(folder)/out.jsonl, rotate: \(rotate)}", now: { clock.with { $0 } })
        try await sink.open()
        return sink
    }

    private func message(_ text: String) -> Message {
        Message(id: text, payload: Bytes(Array("\"\(text)\"".utf8)), receivedAt: .now())
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("rotation-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    private func names(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }

    /// What is compressed and removed happens beside the writing.
    private func eventually(_ holds: () -> Bool) async throws {
        for _ in 0..<3000 {
            if holds() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test func aFileIsSetAsideBeforeItGrowsTooLarge() async throws {
        try await withFolder { folder in
            let clock = Protected(Timestamp(seconds: 1_767_225_600))
            let sink = try await sink(folder, "{size: 14B}", clock)
            for text in ["one", "two", "three"] { _ = await sink.write([message(text)]) }
            await sink.close()
            #expect(names(folder) == ["out-20260101T000000Z.jsonl", "out.jsonl"])
            let aside = try String(contentsOfFile: "\(folder)/out-20260101T000000Z.jsonl", encoding: .utf8)
            #expect(aside == "\"one\"\n\"two\"\n")
        }
    }

    @Test func whatWasSetAsideIsCompressedAndOnlySomeIsKept() async throws {
        try await withFolder { folder in
            let clock = Protected(Timestamp(seconds: 1_767_225_600))
            let sink = try await sink(folder, "{every: 1h, keep: 2, compress: true}", clock)
            try "mine".write(toFile: "\(folder)/out-other.jsonl", atomically: true, encoding: .utf8)
            for number in 1...5 {
                _ = await sink.write([message("\(number)")])
                clock.with { $0 = $0 + .seconds(3600) }
            }
            await sink.close()
            let expected = [
                "out-20260101T030000Z.jsonl.gz", "out-20260101T040000Z.jsonl.gz", "out-other.jsonl", "out.jsonl",
            ]
            try await eventually { names(folder) == expected }
            #expect(names(folder) == expected)
            let unpacked = try ChildProcess(
                URL(fileURLWithPath: "/bin/gzip"), ["-dc", "\(folder)/out-20260101T040000Z.jsonl.gz"], name: "gzip")
            #expect(await unpacked.wait() == 0)
            #expect(unpacked.output == "\"4\"\n")
        }
    }
}

@Suite struct BatchedPublishingTests {
    private func message(_ id: String, _ text: String, attributes: [String: String] = [:]) -> Message {
        Message(id: id, payload: Bytes(Array(text.utf8)), attributes: attributes, receivedAt: .now())
    }

    @Test func callsAreSplitByNumberAndSizeAndEveryMessageIsAnswered() async {
        let calls = Protected<[[String]]>([])
        let large = String(repeating: "x", count: 100 << 10)
        let messages =
            (0..<12).map { message("small-\($0)", "m") } + (0..<3).map { message("large-\($0)", large) }
            + [
                message("too-large", String(repeating: "x", count: 300 << 10)), message("empty", ""),
                Message(id: "binary", payload: Bytes([0xff]), receivedAt: .now()),
            ]
        let outcomes = await BatchedPublishing.write(messages, at: .now()) { entries in
            calls.with { $0.append(entries.map(\.id)) }
            return entries.map { entry in
                switch entry.id {
                case "small-3": .failed(reason: "fault", isSenderFault: true)
                case "small-4": .failed(reason: "busy", isSenderFault: false)
                default: .done
                }
            }
        }
        #expect(calls.with { $0.map(\.count) } == [10, 4, 1])
        #expect(outcomes[3] == .permanent(reason: "fault"))
        #expect(outcomes[4] == .transient(reason: "busy", retryAfter: nil))
        #expect(outcomes[..<3].allSatisfy { $0 == .delivered } && outcomes[5..<15].allSatisfy { $0 == .delivered })
        for outcome in outcomes[15...] {
            guard case .permanent = outcome else {
                Issue.record("\(outcome)")
                continue
            }
        }
    }

    @Test func whatTheServiceRefusesAltogetherIsRefusedAndTheRestMayPass() async {
        let outcomes = await BatchedPublishing.write([message("1", "a")], at: .now()) { _ in throw CancellationError() }
        guard case .transient? = outcomes.first else {
            Issue.record("\(outcomes)")
            return
        }
    }

    @Test func snsIsGivenSubjectAndAttributes() async throws {
        let topic = FakeServices.Topic()
        topic.failing.with { $0["bad"] = "true" }
        try await Loopback.serve({ await topic.answer($0) }) { base, _ in
            let sink = try StageMaker.make(
                SNSSink.self,
                """
                {topicArn: "arn:aws:sns:us-east-1:1:t", endpoint: "\(base)", subject: "new {metadata.id}",
                 attributes: {scytale.env: prod}, passAttributes: true, credentials: {accessKeyID: a, secretAccessKey: b}}
                """)
            try await sink.open()
            let outcomes = await sink.write([message("1", "good", attributes: ["own": "x&y"]), message("2", "bad")])
            #expect(outcomes == [.delivered, .permanent(reason: "Bad: no")])
            await sink.close()
        }
        let published = topic.published.with { $0 }
        #expect(published.count == 1)
        #expect(published[0]["Message"] == "good" && published[0]["Subject"] == "new 1")
        #expect(Set(published[0].filter { $0.key.hasSuffix("StringValue") }.values) == ["x&y", "prod"])
    }
}

@Suite struct HTTPSinkTests {
    private func write(
        _ options: (String) -> String, _ message: Message, answer: ServerResponse = .init(status: 200)
    ) async throws -> (WriteOutcome, [ServerRequest]) {
        let asked = Protected<[ServerRequest]>([])
        let outcome = Protected<WriteOutcome?>(nil)
        let made = Protected<String>("")
        made.with { $0 = options("BASE") }
        try await Loopback.serve({ request in
            asked.with { $0.append(request) }
            return answer
        }) { base, _ in
            let sink = try StageMaker.make(
                HTTPSink.self, made.with { $0 }.replacingOccurrences(of: "BASE", with: base))
            try await sink.open()
            let written = await sink.write([message])
            outcome.with { $0 = written.first }
            await sink.close()
        }
        return (try #require(outcome.with { $0 }), asked.with { $0 })
    }

    private let message = Message(
        id: "i/d", payload: Bytes(Array(#"{"config":{"url":"http://127.0.0.1:1/a b?c"},"h":"x\r\nEvil: 1"}"#.utf8)),
        receivedAt: .now())

    @Test func whatAMessageSaysIsEncodedIntoTheURL() async throws {
        let (outcome, asked) = try await write(
            {
                "{url: \"\($0)/w/{config.url}?id={metadata.id}\", method: PUT, headers: {X-Id: \"<{metadata.id}>\"}, body: \"b={metadata.id}\", contentType: text/plain, auth: {bearer: t0ken}, timeout: 10m}"
            },
            message)
        #expect(outcome == .delivered)
        let request = try #require(asked.first)
        #expect(request.method == "PUT")
        #expect(request.path == "/w/http%3A%2F%2F127.0.0.1%3A1%2Fa%20b%3Fc" && request.query == "id=i%2Fd")
        #expect(request.header("X-Id") == "<i/d>" && request.header("Content-Type") == "text/plain")
        #expect(request.header("Authorization") == "Bearer t0ken")
        #expect(String(decoding: request.body, as: UTF8.self) == "b=i/d")
    }

    @Test func aHeaderCannotBeSmuggledIn() async throws {
        let (outcome, asked) = try await write({ "{url: \($0), headers: {X: \"{h}\"}}" }, message)
        guard case .permanent = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(asked.isEmpty)
    }

    @Test func aMessageCannotClimbOutOfThePath() async throws {
        let climber = Message(id: "..", payload: Bytes([]), receivedAt: .now())
        let (outcome, asked) = try await write({ "{url: \"\($0)/w/{metadata.id}/x\"}" }, climber)
        guard case .permanent = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(asked.isEmpty)
    }

    @Test func aHostThatAMessageNamesHasToBeAllowed() async throws {
        #expect(throws: OptionError.self) { try StageMaker.make(HTTPSink.self, "{url: \"{config.url}\"}") }
        #expect(throws: OptionError.self) {
            try StageMaker.make(HTTPSink.self, "{url: \"http://{config.url|host}/x\"}")
        }
        #expect(throws: OptionError.self) {
            try StageMaker.make(HTTPSink.self, "{url: \"http://a.example{config.url}\"}")
        }
        let (outcome, asked) = try await write(
            { _ in "{url: \"{config.url}\", hosts: [\"*.allowed.example\"]}" }, message)
        guard case .permanent(let reason) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(reason.contains("no URL with an allowed host") && asked.isEmpty)
    }

    @Test(arguments: [(204, true), (302, false), (404, false)])
    func answersCount(status: Int, delivered: Bool) async throws {
        let (outcome, _) = try await write({ "{url: \($0)/x, timeout: 10m}" }, message, answer: .init(status: status))
        #expect((outcome == .delivered) == delivered)
    }
}
