import Glibc
import TestSupport
import Testing

@testable import HTTP

@Suite struct EventLoopTests {
    private func onLoop<Value: Sendable>(_ loop: EventLoop, _ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in loop.submit { continuation.resume(returning: body()) } }
    }

    @Test func whatAThreadSubmitsRunsInItsOrderOnTheLoop() async throws {
        let loops = EventLoops(count: 2)
        defer { loops.shutDown() }
        let loop = loops.next()
        #expect(!loop.isCurrent)
        let seen = Protected<[Int: [Int]]>([:])
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    for number in 0..<2000 {
                        loop.submit {
                            loop.assertCurrent()
                            seen.with { $0[thread, default: []].append(number) }
                        }
                    }
                    await onLoop(loop) {}
                }
            }
        }
        for thread in 0..<8 { #expect(seen.with { $0[thread] } == Array(0..<2000)) }
    }

    @Test func whatTheLoopSubmitsToItselfRunsLater() async throws {
        let loops = EventLoops(count: 1)
        defer { loops.shutDown() }
        let loop = loops.next()
        let order = Protected<[Int]>([])
        await withCheckedContinuation { continuation in
            loop.submit {
                loop.submit {
                    order.with { $0.append(2) }
                    continuation.resume()
                }
                order.with { $0.append(1) }
            }
        }
        #expect(order.with { $0 } == [1, 2])
    }

    @Test func loopsTakeTurnsAndEnd() async throws {
        let loops = EventLoops(count: 3)
        let first = loops.next(), second = loops.next(), third = loops.next()
        #expect(first !== second && second !== third && first !== third)
        #expect(loops.next() === first)
        #expect(loops.current == nil)
        #expect(await onLoop(second) { loops.current === second })
        loops.shutDown()
        first.submit { Issue.record("what was shut down runs no more") }
        #expect(EventLoops.shared.all.count >= 1 && EventLoops.shared.all.count <= 4)
    }

    /// Deadlines of a loop, and which of them have passed.
    private final class Deadlines: @unchecked Sendable {
        // `@unchecked Sendable`: touched on the loop only.
        var all: [Deadline] = []
        var passed: [Int] = []
    }

    @Test func deadlinesPassInTheOrderOfTheirTimes() async throws {
        let loops = EventLoops(count: 1)
        defer { loops.shutDown() }
        let loop = loops.next()
        let deadlines = Deadlines()
        let (passed, pass) = AsyncStream.makeStream(of: Int.self)
        await onLoop(loop) {
            deadlines.all = (0..<7).map { number in loop.makeDeadline { pass.yield(number) } }
            deadlines.all[0].set(in: .milliseconds(60))
            deadlines.all[1].set(in: .milliseconds(20))
            // Put off, nearer, cleared, cancelled, set again behind that, at once.
            deadlines.all[2].set(in: .milliseconds(10))
            deadlines.all[2].set(in: .milliseconds(100))
            deadlines.all[3].set(in: .seconds(3600))
            deadlines.all[3].set(in: .milliseconds(40))
            deadlines.all[4].set(in: .milliseconds(30))
            deadlines.all[4].clear()
            deadlines.all[5].set(in: .milliseconds(30))
            deadlines.all[5].cancel()
            deadlines.all[5].set(in: .milliseconds(30))
            deadlines.all[6].set(in: .seconds(-1))
        }
        var order: [Int] = []
        for await number in passed {
            order.append(number)
            if order.count == 5 { break }
        }
        #expect(order == [6, 1, 3, 0, 2])
        await onLoop(loop) { deadlines.all = [] }
    }

    @Test func aDeadlineMayBeSetAgainWhenItHasPassed() async throws {
        let loops = EventLoops(count: 1)
        defer { loops.shutDown() }
        let loop = loops.next()
        let deadlines = Deadlines()
        await withCheckedContinuation { continuation in
            loop.submit {
                let deadline = loop.makeDeadline {
                    deadlines.passed.append(deadlines.passed.count)
                    if deadlines.passed.count < 5 { return deadlines.all[0].set(in: .milliseconds(1)) }
                    deadlines.all = []
                    continuation.resume()
                }
                deadlines.all = [deadline]
                deadline.set(in: .milliseconds(1))
            }
        }
        #expect(await onLoop(loop) { deadlines.passed.count } == 5)
    }

    @Test func puttingOffCostsNoEntryAndWhatIsCancelledLeavesNone() async throws {
        let loops = EventLoops(count: 1)
        defer { loops.shutDown() }
        let loop = loops.next()
        let deadlines = Deadlines()
        let put = await onLoop(loop) {
            deadlines.all = [loop.makeDeadline {}]
            for second in 60..<10_000 { deadlines.all[0].set(in: .seconds(second)) }
            // Nearer, cleared and farther again, as a connection does with every request.
            for _ in 0..<10_000 {
                deadlines.all[0].set(in: .seconds(15))
                deadlines.all[0].clear()
                deadlines.all[0].set(in: .seconds(60))
            }
            return loop.deadlines.count
        }
        #expect(put <= 2)
        let left = await onLoop(loop) {
            for _ in 0..<100_000 {
                let deadline = loop.makeDeadline {}
                deadline.set(in: .seconds(60))
                deadline.cancel()
            }
            return loop.deadlines.count
        }
        #expect(left < 1000)
    }

    @Test func aLoopSleepsUntilTheNextDeadline() {
        var heap = DeadlineHeap()
        #expect(heap.wait == -1)
        let loops = EventLoops(count: 1)
        defer { loops.shutDown() }
        let deadline = loops.all[0].makeDeadline {}
        heap.now = 1_000_000_000
        heap.insert(1_000_000_001, deadline)
        #expect(heap.wait == 1)
        heap.insert(999_999_999, deadline)
        #expect(heap.wait == 0)
        var far = DeadlineHeap()
        far.insert(.max / 2, deadline)
        #expect(far.wait == .max)
    }

    private final class Watched: EventLoop.Descriptor {
        let seen: (UInt32) -> Void
        init(_ seen: @escaping (UInt32) -> Void) { self.seen = seen }
        func ready(_ events: UInt32) { seen(events) }
    }

    @Test func eventsOfADescriptorAreNotThoseOfWhoHasItsNumberNext() async throws {
        let loops = EventLoops(count: 1)
        defer { loops.shutDown() }
        let loop = loops.next()
        // Two sockets that can be read; whoever is told first takes the other's away, and has it watched for what never comes.
        var ends: [Int32] = [-1, -1, -1, -1]
        ends.withUnsafeMutableBufferPointer { ends in
            for pair in [0, 2] {
                socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, ends.baseAddress?.advanced(by: pair))
            }
        }
        defer { for end in ends { close(end) } }
        for end in [ends[1], ends[3]] { #expect(write(end, "x", 1) == 1) }
        let seen = Protected<[String]>([])
        let (first, second) = (ends[0], ends[2])
        await onLoop(loop) {
            func owner(_ mine: Int32, _ other: Int32) -> Watched {
                Watched { _ in
                    seen.with { $0.append("first") }
                    loop.unwatch(mine)
                    loop.unwatch(other)
                    loop.watch(other, UInt32(POLLPRI), Watched { _ in seen.with { $0.append("another's") } })
                }
            }
            loop.watch(first, UInt32(POLLIN), owner(first, second))
            loop.watch(second, UInt32(POLLIN), owner(second, first))
        }
        while seen.with({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(1)) }
        for _ in 0..<3 { await onLoop(loop) {} }
        #expect(seen.with { $0 } == ["first"])
        await onLoop(loop) { for end in [first, second] { loop.unwatch(end) } }
    }
}

@Suite struct HTTPDateTests {
    @Test(arguments: [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
    ]) func asRFC9110Has(second: Int, text: String) {
        #expect(HTTPDate.format(second) == Array("Date: \(text)\r\n".utf8))
    }
}
