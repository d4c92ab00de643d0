import Foundation
import Telemetry
import TestServers
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Stages

@Suite struct ArgusSourceTests {
    /// A sink that keeps what comes, and answers one id badly.
    private final class Keeping: Sink {
        static let declaration = StageDeclaration(name: "keeping", summary: "", example: "")
        let capabilities = SinkCapabilities()
        let seen = Protected<[String]>([])
        private let outcome: @Sendable (Message) -> WriteOutcome
        init(_ options: Options, _ context: StageContext) throws { throw OptionError("made by tests only") }
        init(_ outcome: @escaping @Sendable (Message) -> WriteOutcome = { _ in .delivered }) { self.outcome = outcome }
        func write(_ batch: [Message]) async -> [WriteOutcome] {
            batch.map { message in
                let body = String(decoding: message.payload.bytes(at: .now()), as: UTF8.self)
                seen.with { $0.append("\(message.key) \(message.attributes["argus.change"] ?? "") \(body)") }
                return outcome(message)
            }
        }
    }

    private func eventually(_ holds: () -> Bool) async throws {
        for _ in 0..<6000 {
            if holds() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func pipeline(_ source: ArgusSource, _ sink: Keeping) -> Pipeline {
        Pipeline(
            name: "test", source: source, steps: [], sink: sink, sinkName: "sink",
            settings: RunnerSettings(lanes: 1, capacity: 8), logger: StageMaker.logger,
            metrics: SilentMetrics(), now: { .now() })
    }

    @Test func whatChangesIsTakenAndWhatDoesNotIsNot() async throws {
        let bucket = FakeServices.Bucket()
        try await Loopback.serve({ await bucket.answer($0) }) { base, _ in
            bucket.put("a", #"{"x":1,"y":2}"#, ends: 6000)
            bucket.put("b", #"{"x":2}"#, ends: 6000)
            bucket.put("c", owner: "else", #"{"x":3}"#)
            let source = try StageMaker.make(
                ArgusSource.self, "{address: \"\(base)\", interval: 100ms, timeout: 10m, field: data.x, removals: true}"
            )
            let sink = Keeping()
            let pipeline = pipeline(source, sink)
            let run = Task { try await pipeline.run() }
            func expect(_ lines: String...) async throws {
                try await eventually { Set(lines).isSubset(of: sink.seen.with { $0 }) }
                #expect(sink.seen.with { Set($0) } == Set(lines))
                sink.seen.with { $0 = [] }
            }
            try await expect("a added 1", "b added 2")
            // The same data written otherwise is no change.
            bucket.put("a", #"{"y":2, "x":1}"#, ends: 6000)
            bucket.put("b", #"{"x":5}"#, ends: 6000)
            try await expect("b changed 5")
            bucket.put("a", #"{"x":1,"y":2}"#, ends: 9000)
            try await expect("a renewed 1")
            bucket.items.with { $0.removeAll { $0.id == "b" } }
            try await expect("b removed null")
            bucket.isDown.with { $0 = true }
            try await eventually { if case .notReady = source.readiness { true } else { false } }
            #expect(source.readiness != .ready)
            bucket.isDown.with { $0 = false }
            bucket.put("d", #"{"x":7}"#)
            try await expect("d added 7")
            try await eventually { source.readiness == .ready }
            #expect(source.readiness == .ready)
            await pipeline.stop()
            try await run.value
        }
    }

    @Test func whatWasRefusedComesAgainAndOnceEnds() async throws {
        let bucket = FakeServices.Bucket()
        bucket.put("a", owner: "one", "{}")
        bucket.put("b", owner: "two", "{}")
        try await Loopback.serve({ await bucket.answer($0) }) { base, _ in
            let once = try StageMaker.make(
                ArgusSource.self, "{address: \"\(base)\", owners: [one, two], once: true, timeout: 10m}")
            let sink = Keeping()
            try await pipeline(once, sink).run()
            #expect(sink.seen.with { $0.count } == 2)

            let refused = Protected(0)
            let stubborn = Keeping { _ in
                refused.with { count in
                    count += 1
                    return count == 1 ? .permanent(reason: "no") : .delivered
                }
            }
            let again = try StageMaker.make(
                ArgusSource.self, "{address: \"\(base)\", owners: one, interval: 100ms, timeout: 10m}")
            let pipeline = pipeline(again, stubborn)
            let run = Task { try await pipeline.run() }
            try await eventually { stubborn.seen.with { $0.count } >= 2 }
            #expect(stubborn.seen.with { $0 }.allSatisfy { $0.hasPrefix("a added") })
            await pipeline.stop()
            try await run.value
        }
    }
}

@Suite struct ExecSinkTests {
    @Test func theProgramsAnswersCount() async throws {
        let script = #"""
            n=0
            while read -r line; do
                case "$line" in
                    *one*) echo "{\"outcome\": \"delivered\"}" ;;
                    *two*) echo "{\"outcome\": \"transient\", \"reason\": \"later\", \"retryAfter\": 1.5}" ;;
                    *three*) echo "{\"outcome\": \"permanent\", \"reason\": \"never\"}" ;;
                    *four*) echo "{\"outcome\": \"superseded\"}" ;;
                    *five*) echo "{\"outcome\": \"perhaps\"}" ;;
                    *six*) echo "no json" ;;
                    *seven*) exit 1 ;;
                esac
            done
            """#
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("exec-\(UUID().uuidString).sh").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        let sink = try StageMaker.make(ExecSink.self, "{command: [bash, \(file)], timeout: 10m}")
        try await sink.open()
        func message(_ text: String) -> Message {
            Message(id: text, payload: Bytes(Array("{}".utf8)), receivedAt: .now())
        }
        let outcomes = await sink.write(["one", "two", "three", "four", "five", "six", "seven", "one"].map(message))
        #expect(
            outcomes[..<4] == [
                .delivered, .transient(reason: "later", retryAfter: .seconds(1.5)), .permanent(reason: "never"),
                .superseded,
            ])
        guard case .permanent = outcomes[4], case .permanent = outcomes[5], case .transient = outcomes[6],
            case .transient = outcomes[7]
        else {
            Issue.record("\(outcomes)")
            return
        }
        // It ended; the next message starts it again.
        #expect(await sink.write([message("one")]) == [.delivered])
        await sink.close()
    }
}
