import Telemetry
import Locking
import TestSupport
import Testing
import Wire

@testable import PipelineKit
@testable import Spool

/// A pipeline with a real spool and real dead letters, through ends of every kind.
@Suite struct DurablePipelineTests {
    private final class Scripted: Source {
        static let declaration = StageDeclaration(name: "scripted", summary: "", example: "")
        let script: @Sendable (Intake) async throws -> Void
        init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
        init(_ script: @escaping @Sendable (Intake) async throws -> Void) { self.script = script }
        func run(into intake: Intake) async throws { try await script(intake) }
        func stop() async {}
    }

    private final class Recording: Sink {
        static let declaration = StageDeclaration(name: "recording", summary: "", example: "")
        let capabilities: SinkCapabilities
        let delivered = Protected<[String]>([])
        let outcome: @Sendable (Message) -> WriteOutcome
        init(_ options: Options, _ context: StageContext) throws { fatalError("made by tests only") }
        init(isUpsert: Bool = false, _ outcome: @escaping @Sendable (Message) -> WriteOutcome = { _ in .delivered }) {
            capabilities = SinkCapabilities(batch: 4, inFlight: 4, isUpsert: isUpsert)
            self.outcome = outcome
        }
        func write(_ batch: [Message]) async -> [WriteOutcome] {
            let outcomes = batch.map(outcome)
            for (message, outcome) in zip(batch, outcomes) where outcome == .delivered {
                delivered.with { $0.append(message.id) }
            }
            return outcomes
        }
    }

    private let scratch: Scratch
    init() throws { scratch = try Scratch() }
    private static let logger = Logger(label: "test") { _ in SilentLogHandler() }

    private func pipeline(
        _ sink: Recording, deadLetters: (any DeadLetterStore)? = nil, maxAge: Duration? = nil, capacity: Int = 16,
        file: String = "spool.sqlite", maxBytes: Int = 1 << 30, grace: Duration = .seconds(600),
        _ script: @escaping @Sendable (Intake) async throws -> Void
    ) -> Pipeline {
        let spool = SQLiteSpool(
            .init(path: scratch.path(file), maxBytes: maxBytes, isFullSync: false), pipeline: "test",
            logger: Self.logger,
            metrics: SilentMetrics())
        return Pipeline(
            name: "test", source: Scripted(script), steps: [], sink: sink, sinkName: "sink",
            settings: RunnerSettings(
                lanes: 3, capacity: capacity, retry: RetryPolicy(initial: .zero, max: .milliseconds(1)),
                shutdownGrace: grace),
            logger: Self.logger, metrics: SilentMetrics(), now: { .now() },
            durability: Durability(spool: spool, maxAge: maxAge, deadLetters: deadLetters))
    }

    private static func message(_ number: Int, received: Timestamp = .now()) -> Message {
        Message(id: "\(number)", key: "\(number % 7)", payload: Bytes(Array("\(number)".utf8)), receivedAt: received)
    }

    /// So many messages were delivered, each once, those of a key in their order.
    private func expectAllInOrder(_ count: Int, _ sink: Recording) {
        let delivered = sink.delivered.with { $0.compactMap { Int($0) } }
        #expect(delivered.sorted() == Array(0..<count))
        for key in 0..<7 {
            let own = delivered.filter { $0 % 7 == key }
            #expect(own == own.sorted())
        }
    }

    @Test func everythingStoredIsDeliveredInOrderThoughMuchMoreWaitsThanFits() async throws {
        let sink = Recording()
        let pipeline = pipeline(sink) { intake in
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<1000 {
                    // One sender for each key keeps the order in which a key's messages are sent.
                    if number < 7 {
                        group.addTask {
                            for own in stride(from: number, to: 1000, by: 7) {
                                #expect(await intake.submit(Self.message(own), within: .seconds(60)) == .spooled)
                            }
                        }
                    }
                }
            }
        }
        try await pipeline.run()
        expectAllInOrder(1000, sink)
    }

    /// The source ends with the answer for its last message, and with the source the pipeline. Many at once, so that threads are
    /// put aside at every moment.
    @Test func theLastMessageHasGoneOnBeforeThePipelineEnds() async throws {
        try await withThrowingTaskGroup { group in
            for name in 0..<16 {
                group.addTask {
                    for number in 0..<20 {
                        let sink = Recording()
                        let pipeline = pipeline(sink, file: "\(name).sqlite") { intake in
                            for part in 0..<5 {
                                let message = Self.message(number * 5 + part)
                                #expect(await intake.submit(message, within: .seconds(60)) == .spooled)
                            }
                        }
                        try await pipeline.run()
                        #expect(sink.delivered.with { $0.count } == 5)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func aFullSpoolHoldsBackASourceThatCanWait() async throws {
        let isUp = Atomic<Bool>(false)
        let sink = Recording { _ in
            isUp.load(ordering: .relaxed) ? .delivered : .transient(reason: "down", retryAfter: nil)
        }
        // Room for three: what comes after them waits while the sink is down.
        let pipeline = pipeline(sink, maxBytes: 1000) { intake in
            for number in 0..<10 {
                try await intake.send(Self.message(number)) { #expect($0 == .spooled) }
                if number == 2 { isUp.store(true, ordering: .relaxed) }
            }
            let left = Protected(Array(10..<40))
            await intake.pull { _ in
                MessageGenerator(
                    next: { most in
                        left.with { left in
                            defer { left.removeFirst(min(most, left.count)) }
                            return left.isEmpty ? nil : left.prefix(most).map { Self.message($0) }
                        }
                    }, settled: { #expect($0 == .spooled) })
            }
        }
        try await pipeline.run()
        expectAllInOrder(40, sink)
    }

    @Test func aStopEndsTheWaitForRoom() async throws {
        let down = Recording { _ in .transient(reason: "down", retryAfter: nil) }
        let isFull = AsyncStream.makeStream(of: Void.self)
        let pipeline = pipeline(down, maxBytes: 300, grace: .milliseconds(10)) { intake in
            try await intake.send(Self.message(0))
            isFull.continuation.finish()
            await #expect(throws: IntakeClosed.self) { try await intake.send(Self.message(1)) }
            let outcomes = Protected<[Settlement]>([])
            let isMade = Protected(false)
            await intake.pull { _ in
                MessageGenerator(
                    next: { _ in
                        isMade.with { isMade in
                            defer { isMade = true }
                            return isMade ? nil : [Self.message(2), Self.message(3)]
                        }
                    }, settled: { settlement in outcomes.with { $0.append(settlement) } })
            }
            let closing = Settlement.failed(reason: "the pipeline is shutting down", retryAfter: nil)
            #expect(outcomes.with { $0 } == [closing, closing])
        }
        let run = Task { try await pipeline.run() }
        for await _ in isFull.stream {}
        await pipeline.stop()
        try await run.value
    }

    @Test func whatAStopLeavesIsDeliveredByTheNextProcessFirst() async throws {
        let down = Recording { _ in .transient(reason: "down", retryAfter: nil) }
        let isStored = AsyncStream.makeStream(of: Void.self)
        let first = pipeline(down, grace: .milliseconds(10)) { intake in
            for number in 0..<100 {
                #expect(await intake.submit(Self.message(number), within: .seconds(60)) == .spooled)
            }
            isStored.continuation.yield()
        }
        async let run: Void = first.run()
        for await _ in isStored.stream { break }
        await first.stop()
        try await run
        let up = Recording()
        let second = pipeline(up) { intake in
            for number in 100..<120 {
                #expect(await intake.submit(Self.message(number), within: .seconds(60)) == .spooled)
            }
        }
        try await second.run()
        expectAllInOrder(120, up)
        // And nothing of it by a third.
        let nobody = Recording()
        try await pipeline(nobody) { _ in }.run()
        #expect(nobody.delivered.with { $0.isEmpty })
    }

    @Test func whatCanNeverSucceedIsKeptUntouched() async throws {
        let letters = SQLiteDeadLetters(path: scratch.path("letters.sqlite"))
        let sink = Recording { Int($0.id)! % 10 == 3 ? .permanent(reason: "no") : .delivered }
        let pipeline = pipeline(sink, deadLetters: letters) { intake in
            for number in 0..<50 {
                #expect(await intake.submit(Self.message(number), within: .seconds(60)) == .spooled)
            }
        }
        try await pipeline.run()
        #expect(pipeline.counts == ["delivered": 45, "dead_lettered": 5])
        let store = SQLiteDeadLetters(path: scratch.path("letters.sqlite"))
        try await store.open()
        let kept = try await store.letters(limit: 100)
        #expect(kept.map(\.letter.message.id).sorted() == ["13", "23", "3", "33", "43"])
        #expect(kept.allSatisfy { $0.letter.reason == "no" && $0.letter.stage == "sink" && $0.letter.attempts == 1 })
        await store.close()
    }

    @Test func whatWaitedTooLongIsADeadLetter() async throws {
        let letters = SQLiteDeadLetters(path: scratch.path("letters.sqlite"))
        let sink = Recording()
        let pipeline = pipeline(sink, deadLetters: letters, maxAge: .seconds(60)) { intake in
            let old = Self.message(1, received: .now() + .seconds(-61))
            #expect(await intake.submit(old, within: .seconds(60)) == .spooled)
            #expect(await intake.submit(Self.message(2), within: .seconds(60)) == .spooled)
        }
        try await pipeline.run()
        #expect(sink.delivered.with { $0 } == ["2"])
        #expect(pipeline.counts == ["delivered": 1, "dead_lettered": 1])
    }

    @Test func withoutASpoolARefusalIsTheSendersAndWithDeadLettersItIsKept() async throws {
        final class Failing: DeadLetterStore {
            func open() async throws {}
            func put(_ letter: DeadLetter) async throws { throw StageError("the disk is full") }
            func close() async {}
        }
        for (store, expected) in [(nil, "refused"), (Failing(), "failed")] as [((any DeadLetterStore)?, String)] {
            let answer = Protected<String>("")
            let source = Scripted { intake in
                let settlement = await intake.submit(Self.message(1), within: .seconds(60))
                answer.with { $0 = settlement.name }
            }
            let pipeline = Pipeline(
                name: "test", source: source, steps: [], sink: Recording { _ in .permanent(reason: "no") },
                sinkName: "sink",
                settings: RunnerSettings(lanes: 1), logger: Self.logger, metrics: SilentMetrics(),
                now: { .now() },
                durability: Durability(deadLetters: store))
            try await pipeline.run()
            #expect(answer.with { $0 } == expected)
        }
    }
}
