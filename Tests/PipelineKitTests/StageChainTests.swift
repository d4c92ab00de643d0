import Locking
import Telemetry
import TestSupport
import Testing
import Wire

@testable import PipelineKit

/// A filter that a closure decides for, and that notes how what it let through ended.
private final class ClosureFilter: OutcomeObserver {
    static let declaration = StageDeclaration(name: "closure", summary: "", example: "")
    private let decide: @Sendable (Message) throws -> Bool
    let ends = Protected<[String]>([])

    init(_ options: Options, _ context: StageContext) throws { throw OptionError("made by tests only") }
    init(_ decide: @escaping @Sendable (Message) throws -> Bool) { self.decide = decide }
    func admits(_ message: Message) throws -> Bool { try decide(message) }
    func ended(_ message: Message, _ settlement: Settlement) {
        ends.with { $0.append("\(message.id) \(settlement.name)") }
    }
}

/// A filter that lets through what does not hold its text, and notes when a row of them was asked.
private final class RowFilter: RecordFilter {
    static let declaration = StageDeclaration(name: "row", summary: "", example: "")
    let stops: String
    let asked: Protected<[Int]>

    init(_ options: Options, _ context: StageContext) throws { throw OptionError("made by tests only") }
    init(_ stops: String, _ asked: Protected<[Int]>) { (self.stops, self.asked) = (stops, asked) }
    func admits(_ message: Message) throws -> Bool { try admits(RecordView(message, now: message.receivedAt)) }
    func admits(_ record: RecordView) throws -> Bool {
        if record.message.id.contains("!\(stops)") { throw StageError("odd") }
        return !record.message.id.contains(stops)
    }
    static func group(of filters: [RowFilter]) -> (any FilterGroup)? { Row(filters: filters) }

    private struct Row: FilterGroup {
        let filters: [RowFilter]
        func run(_ record: RecordView) -> FilterGroupResult {
            filters[0].asked.with { $0.append(filters.count) }
            for (number, filter) in filters.enumerated() {
                do {
                    guard try filter.admits(record) else { return .stopped(by: number) }
                } catch {
                    return .failed(by: number, error)
                }
            }
            return .passed
        }
    }
}

/// A transform that makes as many as the message's payload has bytes.
private struct Splitting: Transform {
    static let declaration = StageDeclaration(name: "splitting", summary: "", example: "")
    init(_ options: Options, _ context: StageContext) throws {}
    init() {}
    func transform(_ message: Message) throws -> [Message] {
        message.payload.bytes(at: message.receivedAt).enumerated().map { index, byte in
            var part = message
            part.id = "\(message.id)#\(index)"
            part.key = part.id
            part.payload = Bytes([byte])
            return part
        }
    }
}

/// A sink that answers what a closure says and keeps the ids of what it took.
private final class ClosureSink: Sink {
    static let declaration = StageDeclaration(name: "closure", summary: "", example: "")
    let capabilities = SinkCapabilities(batch: 4, inFlight: 2)
    let taken = Protected<[String]>([])
    let closes = Protected(0)
    private let outcome: @Sendable (Message) -> WriteOutcome

    init(_ options: Options, _ context: StageContext) throws { throw OptionError("made by tests only") }
    init(_ outcome: @escaping @Sendable (Message) -> WriteOutcome = { _ in .delivered }) { self.outcome = outcome }
    func write(_ batch: [Message]) async -> [WriteOutcome] {
        batch.map { message in
            let outcome = outcome(message)
            if outcome == .delivered { taken.with { $0.append(message.id) } }
            return outcome
        }
    }
    func close() async { closes.with { $0 += 1 } }
}

private final class ListSource: Source {
    static let declaration = StageDeclaration(name: "list", summary: "", example: "")
    private let messages: [Message]
    let settled = Protected<[String: Settlement]>([:])

    init(_ options: Options, _ context: StageContext) throws { throw OptionError("made by tests only") }
    init(_ messages: [Message]) { self.messages = messages }
    func run(into intake: Intake) async throws {
        for message in messages {
            try await intake.send(message) { [self] settlement in settled.with { $0[message.id] = settlement } }
        }
    }
    func stop() async {}
}

@Suite struct InFlightWindowTests {
    @Test func aLaneThatHasItsPlaceIsNotCalledInsteadOfOneThatWaits() {
        let window = InFlightWindow(size: 1)
        #expect(window.acquire(lane: 0))
        #expect(!window.acquire(lane: 1))
        #expect(!window.acquire(lane: 0))
        // Lane 1 is called, but lane 0 is faster.
        #expect(window.release() == 1)
        #expect(window.acquire(lane: 0))
        #expect(!window.acquire(lane: 1))
        #expect(window.release() == 1)
    }

    @Test func aLaneThatNeedsNoPlacePassesTheCallOn() {
        let window = InFlightWindow(size: 1)
        #expect(window.acquire(lane: 0))
        #expect(!window.acquire(lane: 1) && !window.acquire(lane: 2))
        #expect(window.nextWaitingLane() == nil)
        #expect(window.release() == 1)
        #expect(window.nextWaitingLane() == 2)
        #expect(window.nextWaitingLane() == nil)
    }
}

@Suite struct StageChainTests {
    private func message(_ id: String, _ bytes: [UInt8] = [0]) -> Message {
        Message(id: id, payload: Bytes(bytes), receivedAt: Timestamp(seconds: 0))
    }

    private func run(
        _ messages: [Message], _ steps: [StageChain.Step], _ sink: ClosureSink = ClosureSink(),
        retry: RetryPolicy = RetryPolicy(initial: .zero, max: .zero), tap: Tap? = nil,
        metrics: any MetricsFactory = SilentMetrics()
    ) async throws -> (settled: [String: Settlement], counts: [String: Int]) {
        let source = ListSource(messages)
        let pipeline = Pipeline(
            name: "test", source: source, steps: steps, sink: sink, sinkName: "sink",
            settings: RunnerSettings(lanes: 2, capacity: 16, retry: retry),
            logger: Logger(label: "test") { _ in SilentLogHandler() }, metrics: metrics,
            now: { Timestamp(seconds: 0) }, tap: tap)
        try await pipeline.run()
        return (source.settled.with { $0 }, pipeline.counts)
    }

    private func output(
        _ sink: ClosureSink, _ stage: String, retry: RetryPolicy = RetryPolicy(initial: .zero, max: .zero)
    )
        -> DivertedOutput
    { DivertedOutput(sink, stage: stage, retry: retry) }

    @Test func filtersInARowAreAskedTogetherAndCountedEachForItself() async throws {
        let asked = Protected<[Int]>([])
        let tap = Tap(idleTimeout: .seconds(600))
        _ = tap.events(after: 0)
        let other = ClosureSink()
        func step(_ name: String) -> StageChain.Step { .init(name: name, operation: .filter(RowFilter(name, asked))) }
        let steps = [
            step("a"), step("b"),
            .init(name: "c", operation: .filter(RowFilter("c", asked)), otherwise: output(other, "c")),
            .init(name: "single", operation: .filter(ClosureFilter { _ in true })), step("d"),
            .init(name: "parts", operation: .transform(Splitting())), step("e"), step("#1"),
        ]
        let metrics = PrometheusRegistry()
        let (settled, _) = try await run(
            ["1", "2b", "3c", "4!b", "5d", "6e"].map { message($0, [0, 1]) }, steps, tap: tap, metrics: metrics)
        #expect(
            settled.mapValues { "\($0)" } == [
                "1": "delivered", "2b": #"filtered(stage: "b")"#, "3c": #"filtered(stage: "c")"#,
                "4!b": #"refused(stage: "b", reason: "odd", attempts: 0)"#, "5d": #"filtered(stage: "d")"#,
                "6e": #"filtered(stage: "e")"#,
            ])
        #expect(other.taken.with { $0 } == ["3c"])
        #expect(asked.with { $0.filter { $0 == 3 }.count } == 6 && asked.with { $0.filter { $0 == 2 }.count } == 4)
        let counted = metrics.samples.filter { $0.name == "xmidt_hecate_stage_messages_total" && $0.value > 0 }
            .map { "\($0.labels["stage"] ?? "") \($0.labels["outcome"] ?? "") \(Int($0.value))" }
        #expect(
            Set(counted).isSuperset(of: [
                "a passed 6", "b passed 4", "b filtered 1", "b refused 1", "c passed 3", "c filtered 1",
                "single passed 3",
                "d passed 2", "d filtered 1", "parts passed 4", "e passed 2", "e filtered 2", "#1 passed 1",
                "#1 filtered 1",
            ]), "\(counted.sorted())")
        let events = tap.events(after: 0).events.filter { $0.message.id == "2b" || $0.message.id == "4!b" }
        #expect(
            Set(events.map { "\($0.message.id) \($0.stage) \($0.outcome)" }) == [
                "2b a passed", "2b b filtered", "4!b a passed", "4!b b refused",
            ])
    }

    @Test func whatAFilterStopsGoesTheOtherWay() async throws {
        let other = ClosureSink()
        let filter = ClosureFilter { $0.id.hasSuffix("0") }
        let sink = ClosureSink()
        let (settled, counts) = try await run(
            (1...30).map { message("\($0)") },
            [.init(name: "tens", operation: .filter(filter), otherwise: output(other, "tens"))], sink)
        #expect(counts == ["delivered": 3, "filtered": 27])
        #expect(Set(sink.taken.with { $0 }) == ["10", "20", "30"])
        #expect(Set(other.taken.with { $0 }) == Set((1...30).map { "\($0)" }).subtracting(["10", "20", "30"]))
        #expect(settled["1"] == .filtered(stage: "tens"))
        #expect(other.closes.with { $0 } == 1)
    }

    @Test func whatTheOtherWayCannotTakeIsTriedAgainThereOrToldToTheSender() async throws {
        let tries = Protected<[String: Int]>([:])
        let other = ClosureSink { message in
            let count = tries.with { tries in
                tries[message.id, default: 0] += 1
                return tries[message.id]!
            }
            if message.id == "2" { return .permanent(reason: "never") }
            return count < 3 ? .transient(reason: "later", retryAfter: nil) : .delivered
        }
        let filter = ClosureFilter { _ in false }
        let (settled, _) = try await run(
            (1...3).map { message("\($0)") },
            [.init(name: "none", operation: .filter(filter), otherwise: output(other, "none"))])
        #expect(settled["1"] == .filtered(stage: "none"))
        #expect(settled["3"] == .filtered(stage: "none"))
        guard case .refused("none.otherwise", "never", _) = settled["2"] else {
            Issue.record("\(String(describing: settled["2"]))")
            return
        }
    }

    @Test func aLimitOfTimeHoldsOnTheOtherWayToo() async throws {
        let other = ClosureSink { _ in .transient(reason: "later", retryAfter: .seconds(100)) }
        let retry = RetryPolicy(initial: .zero, max: .zero, maxElapsed: .milliseconds(1))
        let (settled, _) = try await run(
            [message("1")],
            [
                .init(
                    name: "none", operation: .filter(ClosureFilter { _ in false }),
                    otherwise: output(other, "none", retry: retry))
            ], retry: retry)
        #expect(settled["1"] == .failed(reason: "later", retryAfter: .seconds(100)))
    }

    @Test func ofSeveralPartsEachGoesItsWay() async throws {
        let other = ClosureSink()
        let filter = ClosureFilter { $0.payload.bytes(at: $0.receivedAt) == [1] }
        let sink = ClosureSink()
        let (settled, _) = try await run(
            [message("a", [1, 2, 1, 3]), message("b", [2]), message("c", [])],
            [
                .init(name: "split", operation: .transform(Splitting())),
                .init(name: "ones", operation: .filter(filter), otherwise: output(other, "ones")),
            ], sink)
        #expect(Set(sink.taken.with { $0 }) == ["a#0", "a#2"])
        #expect(Set(other.taken.with { $0 }) == ["a#1", "a#3", "b#0"])
        #expect(settled["a"] == .delivered)
        #expect(settled["b"] == .filtered(stage: "ones"))
        #expect(settled["c"] == .filtered(stage: "split"))
    }

    @Test func aStageThatCannotAnswerYetIsAskedAgain() async throws {
        let asked = Protected<[String: Int]>([:])
        let filter = ClosureFilter { message in
            let count = asked.with { asked in
                asked[message.id, default: 0] += 1
                return asked[message.id]!
            }
            if count < 3 { throw StageError(transient: "not yet", retryAfter: .milliseconds(1)) }
            return true
        }
        let (settled, counts) = try await run(
            (1...40).map { message("\($0)") }, [.init(name: "slow", operation: .filter(filter))])
        #expect(counts == ["delivered": 40])
        #expect(settled.count == 40)
        #expect(asked.with { $0.values.allSatisfy { $0 == 3 } })
        let (failed, _) = try await run(
            [message("x")],
            [.init(name: "never", operation: .filter(ClosureFilter { _ in throw StageError(transient: "not yet") }))],
            retry: RetryPolicy(initial: .milliseconds(1), max: .milliseconds(1), maxElapsed: .milliseconds(5)))
        #expect(failed["x"] == .failed(reason: "never: not yet", retryAfter: nil))
    }

    @Test func whatStillWaitsForAStageIsToldAtTheEnd() async throws {
        let source = ListSource([message("x")])
        let isWaiting = Protected(false)
        let filter = ClosureFilter { _ in
            isWaiting.with { $0 = true }
            throw StageError(transient: "not yet", retryAfter: .seconds(1000))
        }
        let pipeline = Pipeline(
            name: "test", source: source, steps: [.init(name: "never", operation: .filter(filter))],
            sink: ClosureSink(),
            sinkName: "sink", settings: RunnerSettings(lanes: 1, capacity: 4),
            logger: Logger(label: "test") { _ in SilentLogHandler() }, metrics: SilentMetrics(),
            now: { Timestamp(seconds: 0) })
        let run = Task { try await pipeline.run() }
        while !isWaiting.with({ $0 }) { await Task.yield() }
        pipeline.abandon()
        try await run.value
        #expect(source.settled.with { $0["x"] } == .failed(reason: "the pipeline is shutting down", retryAfter: nil))
    }

    @Test func aFilterLearnsHowWhatItLetThroughEnded() async throws {
        let filter = ClosureFilter { $0.id != "stopped" }
        let sink = ClosureSink { $0.id.hasPrefix("bad") ? .permanent(reason: "no") : .delivered }
        _ = try await run(
            [message("good"), message("bad"), message("stopped")], [.init(name: "f", operation: .filter(filter))], sink)
        #expect(Set(filter.ends.with { $0 }) == ["good delivered", "bad refused"])
    }

    @Test func aTapSeesWhatPassesWhileSomebodyLooks() async throws {
        let tap = Tap(idleTimeout: .seconds(600))
        let filter = ClosureFilter { message in
            if message.id == "c" { throw StageError("odd") }
            return message.id != "b"
        }
        let steps = [StageChain.Step(name: "f", operation: .filter(filter))]
        _ = try await run([message("early")], steps, tap: tap)
        #expect(tap.events(after: 0).events.isEmpty)
        _ = try await run([message("a"), message("b"), message("c")], steps, tap: tap)
        let (events, last) = tap.events(after: 0)
        #expect(
            Set(events.map { "\($0.message.id) \($0.stage) \($0.outcome) \($0.reason ?? "")" }) == [
                "a f passed ", "a sink delivered ", "b f filtered ", "c f refused odd",
            ])
        #expect(last == 4 && events.allSatisfy { $0.pipeline == "test" })
        #expect(tap.events(after: last).events.isEmpty)
    }

    @Test func aTapIsBounded() async throws {
        let tap = Tap(idleTimeout: .seconds(600))
        _ = tap.events(after: 0)
        _ = try await run(
            (1...2000).map { message("\($0)") }, [.init(name: "f", operation: .filter(ClosureFilter { _ in true }))],
            tap: tap)
        let (events, last) = tap.events(after: 0)
        #expect(last == 4000)
        #expect(events.count <= Tap.capacity)
    }
}
