import Testing

@testable import PipelineKit

@Suite struct CircuitBreakerTests {
    private let breaker = CircuitBreaker(
        BreakerPolicy(failureRate: 0.5, minimum: 4, window: .seconds(10), pause: .seconds(1)))

    private func write(_ succeeded: Bool, first: Bool = true, probe: Bool = false, at seconds: Double) {
        breaker.record(succeeded: succeeded, isFirstTry: first, isProbe: probe, now: .seconds(seconds))
    }

    @Test func opensWhenMostWritesFailAndClosesWhenOneSucceeds() {
        write(true, at: 0)
        write(true, at: 0)
        write(false, at: 0)
        #expect(breaker.permission(now: .seconds(0)) == .write)
        write(false, at: 0)
        #expect(breaker.permission(now: .seconds(0.5)) == .wait(until: .seconds(1)))
        #expect(breaker.permission(now: .seconds(1)) == .probe)
        // One probe at a time.
        #expect(breaker.permission(now: .seconds(1)) == .wait(until: .seconds(2)))
        write(false, probe: true, at: 1.5)
        #expect(breaker.permission(now: .seconds(3)) == .wait(until: .seconds(3.5)))
        #expect(breaker.permission(now: .seconds(3.5)) == .probe)
        write(true, probe: true, at: 4)
        #expect(breaker.permission(now: .seconds(4)) == .write)
        #expect(breaker.state == .closed)
    }

    @Test func successesAtOnceCountAsOneAfterTheOther() {
        breaker.recordSuccesses(3, now: .zero)
        for _ in 0..<2 { write(false, at: 1) }
        #expect(breaker.state == .closed, "two of five")
        write(false, at: 1)
        #expect(breaker.state == .open, "three of six")
        // While it is open, what was under way before tells nothing.
        breaker.recordSuccesses(100, now: .seconds(1))
        #expect(breaker.state == .open)
        #expect(breaker.permission(now: .seconds(2)) == .probe)
        write(true, probe: true, at: 2)
        // The next window forgets them.
        breaker.recordSuccesses(100, now: .seconds(2))
        for _ in 0..<4 { write(false, at: 13) }
        #expect(breaker.state == .open)
    }

    @Test func thePauseIsBounded() {
        for _ in 0..<4 { write(false, at: 0) }
        var now = 1.0
        for _ in 0..<10 {
            guard case .probe = breaker.permission(now: .seconds(now)) else {
                guard case .wait(let until) = breaker.permission(now: .seconds(now)) else { return }
                #expect(until - .seconds(now) <= .seconds(10))
                now = until / .seconds(1)
                continue
            }
            write(false, probe: true, at: now)
        }
    }

    @Test func oneKeyThatFailsAgainAndAgainDoesNotOpenIt() {
        write(false, at: 0)
        for second in 1..<100 { write(false, first: false, at: Double(second)) }
        for _ in 0..<3 { write(true, at: 100) }
        #expect(breaker.state == .closed)
    }

    @Test func oldFailuresAreForgotten() {
        for _ in 0..<3 { write(false, at: 0) }
        write(false, at: 11)
        #expect(breaker.state == .closed)
    }

    @Test func aProbeThatFoundNothingToWriteIsGivenBack() {
        for _ in 0..<4 { write(false, at: 0) }
        #expect(breaker.permission(now: .seconds(1)) == .probe)
        breaker.returnProbe(now: .seconds(1))
        #expect(breaker.permission(now: .seconds(1)) == .probe)
    }
}
