import Dispatch
import Locking
import Telemetry
import TestSupport
import Testing
import Wire

@testable import PipelineKit

/// A source that sends what a closure tells it to.
private final class ScriptedSource: Source {
    static let declaration = StageDeclaration(name: "scripted", summary: "", example: "")
    private let script: @Sendable (Intake) async throws -> Void
    let stops = Atomic<Int>(0)

    init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
    init(_ script: @escaping @Sendable (Intake) async throws -> Void) { self.script = script }
    func run(into intake: Intake) async throws { try await script(intake) }
    func stop() async { stops.add(1, ordering: .relaxed) }
}

/// A sink that answers what a closure decides, and watches how it is used.
private final class WatchedSink: Sink {
    static let declaration = StageDeclaration(name: "watched", summary: "", example: "")
    struct Seen: Sendable {
        var delivered: [String: [Int]] = [:]
        var out: Set<String> = []
        var calls = 0
        var mostCalls = 0
        var violations: [String] = []
        var isClosed = false
    }

    let capabilities: SinkCapabilities
    let seen = Protected(Seen())
    private let outcome: @Sendable (Message, inout SystemRandomNumberGenerator) -> WriteOutcome

    init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
    init(
        _ capabilities: SinkCapabilities,
        outcome: @escaping @Sendable (Message, inout SystemRandomNumberGenerator) -> WriteOutcome
    ) {
        self.capabilities = capabilities
        self.outcome = outcome
    }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        begin(batch)
        for _ in 0..<Int.random(in: 0...3) { await Task.yield() }
        return end(batch)
    }

    func begin(_ batch: [Message]) {
        seen.with { seen in
            seen.calls += 1
            seen.mostCalls = max(seen.mostCalls, seen.calls)
            for message in batch where !seen.out.insert(message.key).inserted {
                seen.violations.append("two writes of \(message.key) at once")
            }
        }
    }

    func end(_ batch: [Message]) -> [WriteOutcome] {
        var generator = SystemRandomNumberGenerator()
        let outcomes = batch.map { outcome($0, &generator) }
        seen.with { seen in
            seen.calls -= 1
            for (message, outcome) in zip(batch, outcomes) {
                seen.out.remove(message.key)
                if outcome == .delivered { seen.delivered[message.key, default: []].append(Int(message.id)!) }
            }
        }
        return outcomes
    }

    func close() async { seen.with { $0.isClosed = true } }
}

/// The same by completions, at once or from another thread.
private struct WatchedCompletingSink: CompletingSink {
    static let declaration = StageDeclaration(name: "watched", summary: "", example: "")
    let watched: WatchedSink
    var capabilities: SinkCapabilities { watched.capabilities }

    init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
    init(_ watched: WatchedSink) { self.watched = watched }

    func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void) {
        watched.begin(batch)
        switch Int.random(in: 0..<3) {
        case 0: done(watched.end(batch))
        case 1: DispatchQueue.global().async { done(watched.end(batch)) }
        default:
            DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(Int.random(in: 0...300))) {
                done(watched.end(batch))
            }
        }
    }

    func write(_ batch: [Message]) async -> [WriteOutcome] {
        Issue.record("the runner called the form that waits")
        return await watched.write(batch)
    }

    func close() async { await watched.close() }
}

/// Stops a tenth, refuses some, makes two of a few.
private struct ScriptedFilter: Filter {
    static let declaration = StageDeclaration(name: "scripted", summary: "", example: "")
    let admitsNumber: @Sendable (Int) throws -> Bool
    init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
    init(_ admits: @escaping @Sendable (Int) throws -> Bool) { admitsNumber = admits }
    func admits(_ message: Message) throws -> Bool { try admitsNumber(Int(message.id)!) }
}

@Suite struct PipelineProperties {
    private func pipeline(
        _ source: ScriptedSource, _ steps: [StageChain.Step], _ sink: any Sink, lanes: Int = 4, capacity: Int = 32,
        retry: RetryPolicy = RetryPolicy(initial: .zero, max: .zero), grace: Duration = .seconds(600)
    ) -> Pipeline {
        Pipeline(
            name: "test", source: source, steps: steps, sink: sink, sinkName: "sink",
            settings: RunnerSettings(lanes: lanes, capacity: capacity, retry: retry, shutdownGrace: grace),
            logger: Logger(label: "test") { _ in SilentLogHandler() }, metrics: SilentMetrics(),
            now: { Timestamp(seconds: 0) })
    }

    private static func message(_ number: Int, key: String) -> Message {
        Message(id: "\(number)", key: key, payload: Bytes([]), receivedAt: Timestamp(seconds: 0))
    }

    @Test(arguments: [1, 4], [(batch: 1, completes: false), (1, true), (8, false), (8, true)])
    func everyReceiptOnceInOrderAndBounded(lanes: Int, writes: (batch: Int, completes: Bool)) async throws {
        let total = 4000
        let capacity = 32
        let settlements = Protected<[Int: [String]]>([:])
        let inside = Protected<(now: Int, most: Int)>((0, 0))
        let source = ScriptedSource { intake in
            await withTaskGroup(of: Void.self) { group in
                for sender in 0..<4 {
                    group.addTask {
                        for index in 0..<total / 4 {
                            let number = index * 4 + sender
                            // Each sender has keys of its own, so that the order in which they are sent is known.
                            let key = "\(sender)-\(index % 7)"
                            try? await intake.send(Self.message(number, key: key)) { settlement in
                                inside.with { $0.now -= 1 }
                                settlements.with { $0[number, default: []].append(settlement.name) }
                            }
                            inside.with { inside in
                                inside.now += 1
                                inside.most = max(inside.most, inside.now)
                            }
                        }
                    }
                }
            }
        }
        let filter = ScriptedFilter { number in
            if number % 97 == 0 { throw StageError("refused") }
            return number % 10 != 3
        }
        let sink = WatchedSink(SinkCapabilities(batch: writes.batch, inFlight: 6)) { _, generator in
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: .permanent(reason: "no")
            case 1...6: .transient(reason: "later", retryAfter: nil)
            default: .delivered
            }
        }
        let pipeline = pipeline(
            source, [.init(name: "filter", operation: .filter(filter))],
            writes.completes ? WatchedCompletingSink(sink) : sink, lanes: lanes, capacity: capacity)
        try await pipeline.run()

        let all = settlements.with { $0 }
        #expect(all.count == total && all.values.allSatisfy { $0.count == 1 })
        let seen = sink.seen.with { $0 }
        #expect(seen.violations.isEmpty)
        #expect(seen.mostCalls <= 6)
        #expect(seen.isClosed)
        for (key, order) in seen.delivered { #expect(order == order.sorted(), "\(key)") }
        let delivered = seen.delivered.values.reduce(0) { $0 + $1.count }
        #expect(pipeline.counts["delivered"] == delivered)
        #expect(all.values.filter { $0 == ["delivered"] }.count == delivered)
        #expect(pipeline.counts["filtered"] == (0..<total).filter { $0 % 10 == 3 && $0 % 97 != 0 }.count)
        // One more than there are credits: the sender counts after it was let in.
        #expect(inside.with { $0.most } <= capacity + 4)
    }

    /// Numbers whose keys fall to a lane, up to an end.
    private static func series(
        _ share: LanePartition, upTo end: Int, of keys: Int = .max,
        settled: @escaping @Sendable (Settlement) -> Void = { _ in }
    ) -> MessageGenerator {
        let next = Protected(0)
        return MessageGenerator(
            next: { most in
                next.with { next in
                    var messages: [Message] = []
                    while messages.count < most, next < end {
                        let key = "\(next % keys)"
                        if share.contains(keyHash: stableHash(key)) { messages.append(message(next, key: key)) }
                        next += 1
                    }
                    return messages.isEmpty ? nil : messages
                }
            }, settled: settled)
    }

    @Test(arguments: [1, 3], [2, 100])
    func lanesMakeTheMessagesOfASeriesThemselves(lanes: Int, capacity: Int) async throws {
        let total = 3000
        let settlements = Protected<[String: Int]>([:])
        let source = ScriptedSource { intake in
            await intake.pull { share in
                Self.series(share, upTo: total, of: 50) { settlement in
                    settlements.with { $0[settlement.name, default: 0] += 1 }
                }
            }
        }
        let filter = ScriptedFilter { number in
            if number % 97 == 0 { throw StageError("refused") }
            return number % 10 != 3
        }
        let sink = WatchedSink(SinkCapabilities(batch: 4, inFlight: 3)) { _, generator in
            Int.random(in: 0..<4, using: &generator) == 0 ? .transient(reason: "later", retryAfter: nil) : .delivered
        }
        let pipeline = pipeline(
            source, [.init(name: "filter", operation: .filter(filter))], sink, lanes: lanes, capacity: capacity)
        try await pipeline.run()
        let refused = (0..<total).filter { $0 % 97 == 0 }.count
        let filtered = (0..<total).filter { $0 % 10 == 3 && $0 % 97 != 0 }.count
        let expected = ["refused": refused, "filtered": filtered, "delivered": total - refused - filtered]
        #expect(settlements.with { $0 } == expected)
        #expect(pipeline.counts == expected)
        let seen = sink.seen.with { $0 }
        #expect(seen.violations.isEmpty)
        for (key, order) in seen.delivered { #expect(order == order.sorted(), "\(key)") }
        #expect(pipeline.occupancy.count == 0)
    }

    @Test(arguments: [1, 2]) func aSeriesWithoutEndStopsWhenThePipelineDoes(lanes: Int) async throws {
        // With a sink that never succeeds, so that no credit comes back before the grace period is over.
        let source = ScriptedSource { intake in await intake.pull { Self.series($0, upTo: .max) } }
        let sink = WatchedSink(SinkCapabilities(batch: 4, inFlight: 3)) { _, _ in
            .transient(reason: "never", retryAfter: nil)
        }
        let pipeline = pipeline(
            source, [], sink, lanes: lanes, capacity: 20,
            retry: RetryPolicy(initial: .milliseconds(1), max: .milliseconds(1)), grace: .milliseconds(1))
        async let run: Void = pipeline.run()
        while sink.seen.with({ $0.calls == 0 }) { await Task.yield() }
        await pipeline.stop()
        try await run
        #expect(pipeline.occupancy.count == 0)
        #expect(Set(pipeline.counts.keys) == ["failed"])
    }

    /// Lanes share their threads with everybody else's tasks, this test's too.
    @Test func lanesThatNeverRestLetOthersHaveTheirTurn() async throws {
        let source = ScriptedSource { intake in await intake.pull { Self.series($0, upTo: .max) } }
        let sink = WatchedSink(SinkCapabilities()) { _, _ in .delivered }
        let pipeline = pipeline(
            source, [.init(name: "none", operation: .filter(ScriptedFilter { _ in false }))], sink,
            lanes: 2 * availableProcessors(), capacity: 100, grace: .milliseconds(1))
        async let run: Void = pipeline.run()
        while pipeline.counts.isEmpty { await Task.yield() }
        await withCheckedContinuation { continuation in DispatchQueue.global().async { continuation.resume() } }
        await pipeline.stop()
        try await run
        #expect(pipeline.occupancy.count == 0)
    }

    @Test func aMessageThatBecameSeveralIsAnsweredWhenAllHaveEnded() async throws {
        struct Triple: Transform {
            static let declaration = StageDeclaration(name: "triple", summary: "", example: "")
            init(_ options: Options, _ context: StageContext) throws {}
            init() {}
            func transform(_ message: Message) throws -> [Message] {
                (0..<3).map { index in
                    var copy = message
                    copy.key = "\(message.id)-\(index)"
                    return copy
                }
            }
        }
        let answers = Protected<[String]>([])
        let source = ScriptedSource { intake in
            for number in 0..<50 {
                try await intake.send(Self.message(number, key: "k")) { settlement in
                    answers.with { $0.append(settlement.name) }
                }
            }
        }
        let sink = WatchedSink(SinkCapabilities(batch: 2, inFlight: 3)) { message, _ in
            message.key.hasSuffix("-2") && message.id == "7" ? .permanent(reason: "no") : .delivered
        }
        let pipeline = pipeline(source, [.init(name: "triple", operation: .transform(Triple()))], sink)
        try await pipeline.run()
        #expect(answers.with { $0 }.count == 50)
        #expect(answers.with { $0.filter { $0 == "refused" } }.count == 1)
        #expect(sink.seen.with { $0.delivered.count } == 149)
    }

    @Test func aSenderIsNotHeldLongerThanItWants() async throws {
        let source = ScriptedSource { intake in
            let first = await intake.submit(Self.message(1, key: "a"), within: .milliseconds(1))
            let second = await intake.submit(Self.message(2, key: "b"), within: .milliseconds(1))
            for settlement in [first, second] {
                guard case .failed = settlement else {
                    Issue.record("\(settlement)")
                    return
                }
            }
        }
        let calls = Atomic<Int>(0)
        // The first message fails until both senders have been sent away; the second never gets a credit.
        let sink = WatchedSink(SinkCapabilities(inFlight: 1)) { _, _ in
            calls.add(1, ordering: .relaxed).newValue > 3
                ? .delivered : .transient(reason: "later", retryAfter: .milliseconds(100))
        }
        let pipeline = pipeline(source, [], sink, lanes: 1, capacity: 1)
        try await pipeline.run()
        #expect(pipeline.counts == ["delivered": 1])
    }

    /// Many senders, a small pipeline, and times that are up about when the answer comes.
    @Test(arguments: [1, 4]) func everySenderIsAnsweredOnceWhateverComesFirst(lanes: Int) async throws {
        let total = 3000
        let answers = Protected<[Int]>(Array(repeating: 0, count: total))
        let ended = AsyncStream.makeStream(of: Void.self)
        let source = ScriptedSource { intake in
            for number in 0..<total {
                let limit = Duration.milliseconds(number % 3 == 0 ? 0 : number % 3 == 1 ? 60 : 600_000)
                intake.submit(Self.message(number, key: "\(number % 40)"), within: limit) { settlement in
                    answers.with { $0[number] += 1 }
                    ended.continuation.yield()
                }
            }
            var left = total
            for await _ in ended.stream {
                left -= 1
                if left == 0 { break }
            }
        }
        let sink = WatchedSink(SinkCapabilities(inFlight: 4)) { _, generator in
            Int.random(in: 0..<4, using: &generator) == 0 ? .transient(reason: "later", retryAfter: nil) : .delivered
        }
        let pipeline = pipeline(source, [], WatchedCompletingSink(sink), lanes: lanes, capacity: 8)
        try await pipeline.run()
        #expect(answers.with { $0.allSatisfy { $0 == 1 } })
        #expect(pipeline.occupancy.count == 0)
        let seen = sink.seen.with { $0 }
        #expect(seen.violations.isEmpty)
        for (key, order) in seen.delivered { #expect(order == order.sorted(), "\(key)") }
    }

    @Test func whoComesWhenThePipelineIsClosedIsToldSoAtOnce() async throws {
        let answer = Protected<Settlement?>(nil)
        let late = Protected<Intake?>(nil)
        let source = ScriptedSource { intake in late.with { $0 = intake } }
        let pipeline = pipeline(source, [], WatchedSink(SinkCapabilities()) { _, _ in .delivered })
        try await pipeline.run()
        let intake = try #require(late.with { $0 })
        intake.submit(Self.message(1, key: "a"), within: .seconds(600)) { settlement in answer.with { $0 = settlement }
        }
        #expect(answer.with { $0 } == .failed(reason: "the pipeline is shutting down", retryAfter: nil))
    }

    @Test func whatCannotEndWithinTheGraceIsToldToItsSender() async throws {
        let answer = Protected<Settlement?>(nil)
        let started = AsyncStream.makeStream(of: Void.self)
        let source = ScriptedSource { intake in
            started.continuation.yield()
            let settlement = await intake.submit(Self.message(1, key: "a"), within: .seconds(60))
            answer.with { $0 = settlement }
        }
        let sink = WatchedSink(SinkCapabilities()) { _, _ in .transient(reason: "down", retryAfter: .milliseconds(5)) }
        let pipeline = pipeline(source, [], sink, grace: .milliseconds(20))
        async let run: Void = pipeline.run()
        for await _ in started.stream { break }
        await pipeline.stop()
        try await run
        guard case .failed = answer.with({ $0 }) else {
            Issue.record("\(String(describing: answer.with { $0 }))")
            return
        }
        #expect(source.stops.load(ordering: .relaxed) == 1)
        #expect(sink.seen.with { $0.isClosed })
    }

    @Test func aSourceThatFailsEndsThePipelineInOrder() async throws {
        let source = ScriptedSource { intake in
            for number in 0..<20 { try await intake.send(Self.message(number, key: "\(number)")) }
            throw StageError("the source is broken")
        }
        let sink = WatchedSink(SinkCapabilities(inFlight: 4)) { _, _ in .delivered }
        let pipeline = pipeline(source, [], sink)
        await #expect(throws: StageError.self) { try await pipeline.run() }
        #expect(pipeline.counts == ["delivered": 20])
    }

    @Test func whileMostWritesFailTheSinkIsLeftAloneAndThenAllAreDelivered() async throws {
        let log = Protected<[String]>([])
        let calls = Atomic<Int>(0)
        let source = ScriptedSource { intake in
            for number in 0..<60 { try await intake.send(Self.message(number, key: "\(number)")) }
        }
        let sink = WatchedSink(SinkCapabilities(inFlight: 4)) { _, _ in
            calls.add(1, ordering: .relaxed).newValue <= 30 ? .transient(reason: "down", retryAfter: nil) : .delivered
        }
        let pipeline = Pipeline(
            name: "test", source: source, steps: [], sink: sink, sinkName: "sink",
            settings: RunnerSettings(
                lanes: 4, capacity: 100, retry: RetryPolicy(initial: .zero, max: .zero),
                breaker: BreakerPolicy(failureRate: 0.5, minimum: 10, window: .seconds(100), pause: .milliseconds(1))),
            logger: Logger(label: "test") { _ in RecordingLog(lines: log) }, metrics: SilentMetrics(),
            now: { Timestamp(seconds: 0) })
        try await pipeline.run()
        #expect(pipeline.counts == ["delivered": 60])
        // Thirty failures are three lines: that there are some, that the sink is left alone, and that it works again.
        #expect(
            log.with { $0.map { String($0.prefix { $0 != ":" }) } } == [
                "messages have to wait and are tried again sink down", "most writes fail", "the sink works again",
            ])
    }

    @Test func readinessFollowsTheLife() async throws {
        let pipeline = pipeline(ScriptedSource { _ in }, [], WatchedSink(SinkCapabilities()) { _, _ in .delivered })
        #expect(pipeline.readiness == .notReady("the sink is not open yet"))
        try await pipeline.run()
        #expect(pipeline.readiness == .ready)
        await pipeline.stop()
        #expect(pipeline.readiness == .notReady("shutting down"))
    }
}

@Suite struct RecentTroublesTests {
    @Test func theLogIsToldOncePerMinuteAndStageOfWhatIsTriedAgain() {
        let (log, clock) = (Protected<[String]>([]), Protected(Timestamp(seconds: 0)))
        let recentErrors = RecentErrors(logger: Logger(label: "test") { _ in RecordingLog(lines: log) }) {
            clock.with { $0 }
        }
        for second in 0..<120 {
            clock.with { $0 = Timestamp(seconds: Int64(second)) }
            recentErrors.record("transient", at: "argus", "no answer \(second)")
            recentErrors.record("refused", at: "item", "no webhook")
            if second >= 30 { recentErrors.record("full", at: "spool", "the spool is full") }
        }
        let text = "messages have to wait and are tried again"
        #expect(
            log.with { $0 } == [
                "\(text) argus no answer 0", "\(text) spool the spool is full", "\(text) argus no answer 60",
                "\(text) spool the spool is full",
            ])
        #expect(recentErrors.all.count == RecentErrors.maximumCount)
        #expect(recentErrors.all.first { $0.outcome == "refused" }?.count == 120)
    }
}

/// Keeps warnings and notices: the message, and which stage and reason it names.
private struct RecordingLog: LogHandler {
    let lines: Protected<[String]>
    var metadata = Logger.Metadata()
    var logLevel = Logger.Level.notice

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let named = ["stage", "reason"].compactMap { event.metadata?[$0].map { "\($0)" } }
        lines.with { $0.append((["\(event.message)"] + named).joined(separator: " ")) }
    }
}

@Suite struct ReceiptTests {
    @Test func theWorstOfSeveralPartsIsTheAnswerAndThereIsOnlyOne() {
        let answers = Protected<[Settlement]>([])
        let message = Message(id: "1", payload: Bytes([]), receivedAt: Timestamp(seconds: 0))
        let receipt = Receipt(message, acceptedAt: .zero, settled: { _ in }) { _, settlement, _ in
            answers.with { $0.append(settlement) }
        }
        receipt.split(into: 3)
        receipt.settle(.delivered)
        receipt.settle(.failed(reason: "x", retryAfter: nil))
        #expect(answers.with { $0 }.isEmpty)
        receipt.settle(.filtered(stage: "s"))
        receipt.settle(.delivered)
        #expect(answers.with { $0 } == [.failed(reason: "x", retryAfter: nil)])
    }
}

@Suite struct MessageTests {
    @Test func aCopyStaysAsItIs() {
        let first = Message(id: "1", payload: Bytes([1]), attributes: ["a": "b"], receivedAt: Timestamp(seconds: 0))
        var second = first
        second.id = "2"
        second.attributes["a"] = "c"
        var third = second
        third.payload = Bytes([3])
        third.key = "k"
        (third.topic, third.publishedAt, third.receivedAt) = ("t", Timestamp(seconds: 3), Timestamp(seconds: 4))
        #expect(first.id == "1" && first.key == "1" && first.attributes == ["a": "b"] && first.publishedAt == nil)
        #expect(second.id == "2" && second.key == "1" && second.attributes == ["a": "c"] && second.topic.isEmpty)
        #expect(second.payload.bytes(at: Timestamp(seconds: 0)) == [1])
        #expect(third.id == "2" && third.key == "k" && third.payload.bytes(at: Timestamp(seconds: 0)) == [3])
        #expect(third.topic == "t" && third.originatedAt == Timestamp(seconds: 3))
    }
}

@Suite struct SubmitTimeoutsTests {
    @Test func whoeverIsFirstAnswersAndGivingUpIsSaidAtOnceWhereItIsTooLate() {
        let clock = Protected<Int64>(0)
        let submitTimeouts = SubmitTimeouts(pipeline: "test", clock: MonotonicClock { clock.with { $0 } })
        let said = Protected<[String]>([])
        @Sendable func say(_ text: String) { said.with { $0.append(text) } }
        let first = submitTimeouts.add(until: .seconds(1)) { say("first \($0.name)") }
        first.onTimeout { say("never") }
        first.answer(.delivered)
        first.answer(.expired)
        #expect(said.with { $0 } == ["first delivered"])
        first.onTimeout { say("too late") }
        #expect(said.with { $0 } == ["first delivered", "too late"])
    }

    @Test func whoseTimeIsUpIsToldAndTheOthersWaitOn() async {
        let clock = Protected<Int64>(0)
        let submitTimeouts = SubmitTimeouts(pipeline: "test", clock: MonotonicClock { clock.with { $0 } })
        let said = AsyncStream.makeStream(of: String.self)
        let callers = [1, 3].map { second in
            submitTimeouts.add(until: .seconds(second)) { said.continuation.yield("\(second) \($0.name)") }
        }
        for (index, caller) in callers.enumerated() {
            caller.onTimeout { said.continuation.yield("\(index) gives up") }
        }
        clock.with { $0 = 2_000_000_000 }
        var iterator = said.stream.makeAsyncIterator()
        #expect(await iterator.next() == "0 gives up")
        #expect(await iterator.next() == "1 failed")
        callers[1].answer(.delivered)
        #expect(await iterator.next() == "3 delivered")
    }
}

@Suite struct CreditPoolTests {
    @Test func creditsAreTakenAndGivenBackTogether() {
        let creditPool = CreditPool(capacity: 5)
        #expect(
            creditPool.tryAcquire(atMost: 3) == 3 && creditPool.tryAcquire(atMost: 3) == 2
                && creditPool.tryAcquire(atMost: 3) == 0)
        let entered = Protected<[String]>([])
        let tickets = ["a", "b", "c"].map { name in
            creditPool.acquire { isOpen in entered.with { $0.append(isOpen ? name : "\(name) turned away") } }
        }
        creditPool.cancel(tickets[1]!)
        creditPool.release(4)
        #expect(entered.with { $0 } == ["a", "c"] && creditPool.used == 3)
        creditPool.release(0)
        creditPool.release(3)
        #expect(creditPool.used == 0)
        creditPool.close()
        #expect(creditPool.tryAcquire() == 0)
    }

    @Test func letsInInOrderAndForgetsWhoWithdrew() {
        let creditPool = CreditPool(capacity: 1)
        let entered = Protected<[String]>([])
        creditPool.acquire { _ in entered.with { $0.append("a") } }
        creditPool.acquire { _ in entered.with { $0.append("b") } }
        let ticket = creditPool.acquire { _ in entered.with { $0.append("c") } }
        creditPool.acquire { isOpen in entered.with { $0.append(isOpen ? "d" : "turned away") } }
        creditPool.cancel(ticket!)
        creditPool.release()
        #expect(entered.with { $0 } == ["a", "b"])
        creditPool.close()
        #expect(entered.with { $0 } == ["a", "b", "turned away"])
        creditPool.release()
        #expect(creditPool.used == 0)
    }
}
