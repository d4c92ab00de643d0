import Dispatch
import Locking

/// Callers who wait for a settlement, but not for ever. One slow timer looks after all of them, because a timer for each
/// message would cost more than the message.
///
/// May be used from any thread.
final class Patience: Sendable {
    /// One who waits. It is answered exactly once: by whoever takes its answer out.
    final class Caller: Sendable {
        private struct State {
            var answer: (@Sendable (Settlement) -> Void)?
            var giveUp: (@Sendable () -> Void)?
        }

        fileprivate let deadline: Duration
        private let state: Mutex<State>

        fileprivate init(deadline: Duration, answer: @escaping @Sendable (Settlement) -> Void) {
            self.deadline = deadline
            state = Mutex(State(answer: answer))
        }

        fileprivate var isWaiting: Bool { state.withLock { $0.answer != nil } }

        /// Answers it, if it still waits.
        func answer(_ settlement: Settlement) { take().answer?(settlement) }

        /// Says what to do when its time is up: at once, where it does not wait any more.
        func whenGivingUp(_ giveUp: @escaping @Sendable () -> Void) {
            let isWaiting = state.withLock { state in
                guard state.answer != nil else { return false }
                state.giveUp = giveUp
                return true
            }
            if !isWaiting { giveUp() }
        }

        fileprivate func giveUp() {
            let taken = take()
            guard let answer = taken.answer else { return }
            taken.giveUp?()
            answer(.failed(reason: "no answer within the time the sender is held", retryAfter: nil))
        }

        private func take() -> State {
            state.withLock { state in
                defer { state = State() }
                return state
            }
        }
    }

    private struct State {
        /// Those who wait, and some who do not any more since the timer ran last.
        var callers: [Caller] = []
        var isTicking = false
    }

    private let state = Mutex(State())
    private let clock: MonotonicClock
    private let queue: DispatchQueue

    init(pipeline: String, clock: MonotonicClock) {
        self.clock = clock
        queue = DispatchQueue(label: "hecate.\(pipeline).patience", target: .global())
    }

    /// Lets somebody wait until a moment, to a tenth of a second.
    ///
    /// - Parameter answer: called once: by `Caller.answer`, or when the time is up; must not block.
    func caller(until deadline: Duration, _ answer: @escaping @Sendable (Settlement) -> Void) -> Caller {
        let caller = Caller(deadline: deadline, answer: answer)
        let startsTicking = state.withLock { state in
            state.callers.append(caller)
            defer { state.isTicking = true }
            return !state.isTicking
        }
        if startsTicking { tick() }
        return caller
    }

    private func tick() {
        queue.asyncAfter(deadline: .now() + .milliseconds(100)) { [self] in
            let all = state.withLock { state in
                defer { state.callers = [] }
                return state.callers
            }
            let now = clock.now()
            let waiting = all.filter(\.isWaiting)
            for caller in waiting where caller.deadline <= now { caller.giveUp() }
            let goesOn = state.withLock { state in
                state.callers += waiting.lazy.filter { $0.deadline > now }
                state.isTicking = !state.callers.isEmpty
                return state.isTicking
            }
            if goesOn { tick() }
        }
    }
}
