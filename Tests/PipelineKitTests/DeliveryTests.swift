import TestSupport
import Testing
import Wire

@testable import PipelineKit

/// The delivery on a clock of its own: no queues, no threads, no waiting. Each seed is one schedule of arrivals, writes, failures
/// and retries.
@Suite struct DeliverySimulation {
    /// Where the receipts report to.
    private final class Ledger: Sendable {
        let entries = Protected<[Int: [Settlement]]>([:])
        func entry(_ message: Message, _ number: Int, at time: Duration) -> Delivery.Entry {
            let receipt = Receipt(message, acceptedAt: time, settled: { _ in }) { _, settlement, _ in
                self.entries.with { $0[number, default: []].append(settlement) }
            }
            return .init(message, receipt)
        }
    }

    private func run(seed: UInt64, isUpsert: Bool, maxElapsed: Duration?) {
        var generator = SeededGenerator(seed: seed)
        let retry = RetryPolicy(initial: .milliseconds(100), max: .seconds(1), maxElapsed: maxElapsed)
        var delivery = Delivery(sinkName: "sink", isUpsert: isUpsert, retry: retry)
        let ledger = Ledger()
        var now = Duration.zero
        var out: [Delivery.Entry] = []
        var deliveredOrder: [String: [Int]] = [:]
        var arrived = 0
        let total = 60
        var steps = 0
        while arrived < total || !delivery.isEmpty {
            steps += 1
            guard steps < 100_000 else {
                Issue.record("stuck with seed \(seed)")
                return
            }
            switch Int.random(in: 0..<4, using: &generator) {
            case 0 where arrived < total:
                let key = "key-\(Int.random(in: 0..<4, using: &generator))"
                // Some arrive later than they were published.
                let published = isUpsert ? max(0, arrived - Int.random(in: 0...2, using: &generator)) : arrived
                let message = Message(
                    id: "\(arrived)", key: key, payload: Bytes([]), publishedAt: Timestamp(seconds: Int64(published)),
                    receivedAt: Timestamp(seconds: 0))
                delivery.enqueue(ledger.entry(message, arrived, at: now))
                arrived += 1
            case 1:
                let limit = Int.random(in: 1...3, using: &generator)
                let batch = delivery.nextBatch(atMost: limit, now: Timestamp(seconds: 0))
                for entry in batch {
                    #expect(
                        !out.contains { $0.message.key == entry.message.key }, "two of one key are out, seed \(seed)")
                    out.append(entry)
                }
            case 2 where !out.isEmpty:
                let entry = out.remove(at: Int.random(in: 0..<out.count, using: &generator))
                let outcome: WriteOutcome =
                    switch Int.random(in: 0..<10, using: &generator) {
                    case 0: .permanent(reason: "no")
                    case 1...4:
                        .transient(
                            reason: "later", retryAfter: Bool.random(using: &generator) ? .milliseconds(300) : nil)
                    default: .delivered
                    }
                if outcome == .delivered {
                    let key = entry.message.key
                    deliveredOrder[key, default: []].append(
                        isUpsert ? Int(entry.message.originatedAt.seconds) : Int(entry.message.id)!)
                }
                delivery.complete(entry.message.key, outcome, now: now, jitter: .random(in: 0...1, using: &generator))
            default:
                now += .milliseconds(Int.random(in: 0...200, using: &generator))
                delivery.wake(now: now)
            }
        }
        let entries = ledger.entries.with { $0 }
        #expect(entries.count == total && entries.values.allSatisfy { $0.count == 1 }, "receipts, seed \(seed)")
        for (key, order) in deliveredOrder { #expect(order == order.sorted(), "order of \(key), seed \(seed)") }
        if !isUpsert {
            let delivered = entries.filter { $0.value == [.delivered] }.count
            #expect(delivered == deliveredOrder.values.reduce(0) { $0 + $1.count })
        }
    }

    @Test(arguments: [true, false])
    func everyReceiptOnceAndOrderKeptOverRandomSchedules(isUpsert: Bool) async {
        for seed in 0..<5000 {
            // Servers of other tests run on the same few threads.
            if seed.isMultiple(of: 50) { await Task.yield() }
            run(seed: UInt64(seed), isUpsert: isUpsert, maxElapsed: seed.isMultiple(of: 2) ? nil : .seconds(2))
        }
    }
}

@Suite struct DeliveryTests {
    private let settled = Protected<[String]>([])

    private func entry(_ id: String, key: String = "k", published: Int64 = 0, payload: any Payload = Bytes([]))
        -> Delivery.Entry
    {
        let message = Message(
            id: id, key: key, payload: payload, publishedAt: Timestamp(seconds: published),
            receivedAt: Timestamp(seconds: 0))
        let receipt = Receipt(message, acceptedAt: .zero, settled: { _ in }) { _, settlement, _ in
            self.settled.with { $0.append("\(id) \(settlement.name)") }
        }
        return .init(message, receipt)
    }

    private func delivery(isUpsert: Bool, maxElapsed: Duration? = nil) -> Delivery {
        Delivery(
            sinkName: "sink", isUpsert: isUpsert,
            retry: RetryPolicy(initial: .seconds(1), max: .seconds(1), maxElapsed: maxElapsed))
    }

    private let start = Timestamp(seconds: 0)

    @Test func aNewerMessageReplacesOneThatWaitsForItsRetry() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("old", published: 1))
        _ = delivery.nextBatch(atMost: 1, now: start)
        let isTriedAgain1 = delivery.complete("k", .transient(reason: "x", retryAfter: nil), now: .zero, jitter: 0.5)
        #expect(isTriedAgain1)
        delivery.enqueue(entry("new", published: 2))
        delivery.wake(now: .seconds(2))
        #expect(delivery.nextBatch(atMost: 5, now: start).map(\.message.id) == ["new"])
        #expect(settled.with { $0 }.isEmpty)
        delivery.complete("k", .delivered, now: .zero, jitter: 0.5)
        #expect(settled.with { $0 } == ["old superseded", "new delivered"])
        #expect(delivery.isEmpty)
    }

    @Test func anOlderMessageDoesNotFollowANewerOneThatIsOut() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("new", published: 2))
        _ = delivery.nextBatch(atMost: 1, now: start)
        delivery.enqueue(entry("late", published: 1))
        delivery.complete("k", .delivered, now: .zero, jitter: 0.5)
        #expect(settled.with { $0 } == ["late superseded", "new delivered"])
        #expect(delivery.isEmpty)
    }

    @Test func anOlderMessageThatComesAfterANewerOneWasWrittenIsNotWritten() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("new", published: 2))
        _ = delivery.nextBatch(atMost: 1, now: start)
        delivery.complete("k", .delivered, now: .zero, jitter: 0.5)
        delivery.enqueue(entry("late", published: 1))
        #expect(!delivery.hasReady)
        // The same one again is written again: it may be a redelivery of what was only answered too late.
        delivery.enqueue(entry("again", published: 2))
        #expect(delivery.nextBatch(atMost: 5, now: start).map(\.message.id) == ["again"])
        #expect(settled.with { $0 } == ["new delivered", "late superseded"])
    }

    private struct Versioned: Payload {
        static let kind = PayloadKind("versioned")
        let precedence: Timestamp?
        func bytes(at now: Timestamp) -> [UInt8] { [] }
    }

    @Test func ofTwoPublishedAtOnceThePayloadsPrecedenceDecides() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("longer", published: 2, payload: Versioned(precedence: Timestamp(seconds: 9))))
        delivery.enqueue(entry("shorter", published: 2, payload: Versioned(precedence: Timestamp(seconds: 5))))
        #expect(delivery.nextBatch(atMost: 5, now: start).map(\.message.id) == ["longer"])
        delivery.complete("k", .delivered, now: .zero, jitter: 0.5)
        delivery.enqueue(entry("shorter again", published: 2, payload: Versioned(precedence: Timestamp(seconds: 5))))
        #expect(settled.with { $0 } == ["shorter superseded", "longer delivered", "shorter again superseded"])
    }

    @Test func whatIsRememberedOfWrittenKeysIsBounded() {
        var written = WrittenVersions(capacity: 100)
        func version(_ second: Int64) -> WrittenVersions.Version {
            .init(Message(id: "1", payload: Bytes([]), receivedAt: Timestamp(seconds: second)))
        }
        for index in 0..<1000 { written["\(index)"] = version(Int64(index)) }
        #expect(written["999"] == version(999) && written["960"] == version(960))
        #expect((0..<1000).filter { written["\($0)"] != nil }.count <= 100)
    }

    @Test func whatWasSupersededFailsWithTheOneThatTookItsPlace() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("old", published: 1))
        delivery.enqueue(entry("new", published: 2))
        _ = delivery.nextBatch(atMost: 1, now: start)
        delivery.complete("k", .permanent(reason: "no"), now: .zero, jitter: 0.5)
        #expect(settled.with { $0 } == ["old failed", "new refused"])
    }

    @Test func aSinkThatIsNoUpsertGetsEveryMessageInOrder() {
        var delivery = delivery(isUpsert: false)
        for id in ["1", "2", "3"] { delivery.enqueue(entry(id)) }
        for id in ["1", "2", "3"] {
            #expect(delivery.nextBatch(atMost: 5, now: start).map(\.message.id) == [id])
            delivery.complete("k", .delivered, now: .zero, jitter: 0.5)
        }
        #expect(settled.with { $0 } == ["1 delivered", "2 delivered", "3 delivered"])
    }

    @Test func theSenderIsToldWhenThereIsNoTimeForAnotherTry() {
        var delivery = delivery(isUpsert: true, maxElapsed: .seconds(5))
        delivery.enqueue(entry("a"))
        _ = delivery.nextBatch(atMost: 1, now: start)
        let outcome = WriteOutcome.transient(reason: "x", retryAfter: .seconds(3))
        let isTriedAgain2 = delivery.complete("k", outcome, now: .seconds(1), jitter: 0.5)
        #expect(isTriedAgain2)
        delivery.wake(now: .seconds(4))
        _ = delivery.nextBatch(atMost: 1, now: start)
        let isTriedAgain3 = delivery.complete("k", outcome, now: .seconds(4), jitter: 0.5)
        #expect(!isTriedAgain3)
        #expect(settled.with { $0 } == ["a failed"])
    }

    @Test func aRetryWaitsForWhatTheOtherSideAskedFor() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("a"))
        _ = delivery.nextBatch(atMost: 1, now: start)
        delivery.complete("k", .transient(reason: "x", retryAfter: .seconds(30)), now: .zero, jitter: 0.5)
        #expect(delivery.nextRetry == .seconds(30))
        delivery.wake(now: .seconds(29))
        #expect(!delivery.hasReady)
    }

    private struct Perishable: Payload {
        static let kind = PayloadKind("perishable")
        func bytes(at now: Timestamp) -> [UInt8] { [] }
        func isExpired(at now: Timestamp) -> Bool { now >= Timestamp(seconds: 10) }
    }

    @Test func whatExpiredWhileItWaitedIsNotWritten() {
        var delivery = delivery(isUpsert: true)
        delivery.enqueue(entry("a", payload: Perishable()))
        #expect(delivery.nextBatch(atMost: 1, now: Timestamp(seconds: 10)).isEmpty)
        #expect(settled.with { $0 } == ["a expired"])
        #expect(delivery.isEmpty)
    }

    @Test func whatIsAbandonedFails() {
        var delivery = delivery(isUpsert: false)
        for id in ["1", "2"] { delivery.enqueue(entry(id)) }
        _ = delivery.nextBatch(atMost: 1, now: start)
        delivery.abandon(reason: "over")
        #expect(settled.with { $0 } == ["1 failed", "2 failed"])
        delivery.complete("k", .delivered, now: .zero, jitter: 0.5)
        #expect(settled.with { $0 }.count == 2)
    }
}

@Suite struct RetryPolicyTests {
    @Test func pausesGrowToTheirLimitWithFullJitter() {
        var generator = SeededGenerator(seed: 3)
        let policy = RetryPolicy(initial: .milliseconds(100), max: .seconds(2))
        for (attempts, limit) in [(1, 100), (2, 200), (5, 1600), (6, 2000), (100, 2000)] {
            let pauses = (0..<200).map { _ in
                policy.pause(after: attempts, retryAfter: nil, jitter: .random(in: 0...1, using: &generator))
            }
            #expect(pauses.allSatisfy { $0 >= .zero && $0 <= .milliseconds(limit) })
            #expect(pauses.max()! > .milliseconds(limit * 9 / 10))
            #expect(pauses.min()! < .milliseconds(limit / 10))
        }
    }
}
