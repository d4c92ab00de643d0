import Dispatch
import Locking

/// Ends submits whose deadline has passed. One coarse timer serves all of them, because a timer for each message would
/// cost more than the message.
///
/// Thread-safe.
final class SubmitTimeouts: Sendable {
    /// A submit that waits for its answer. It is answered exactly once, by whoever takes the answer closure first.
    final class PendingSubmit: Sendable {
        private struct State {
            var answer: (@Sendable (Settlement) -> Void)?
            var timeoutHandler: (@Sendable () -> Void)?
        }

        fileprivate let deadline: Duration
        private let state: Mutex<State>

        fileprivate init(deadline: Duration, answer: @escaping @Sendable (Settlement) -> Void) {
            self.deadline = deadline
            state = Mutex(State(answer: answer))
        }

        fileprivate var isWaiting: Bool { state.withLock { $0.answer != nil } }

        /// Answers the submit, unless it was answered before.
        func answer(_ settlement: Settlement) { take().answer?(settlement) }

        /// Sets what is called when the deadline passes. Calls it at once if the submit was already answered.
        func onTimeout(_ timeoutHandler: @escaping @Sendable () -> Void) {
            let isWaiting = state.withLock { state in
                guard state.answer != nil else { return false }
                state.timeoutHandler = timeoutHandler
                return true
            }
            if !isWaiting { timeoutHandler() }
        }

        fileprivate func expire() {
            let taken = take()
            guard let answer = taken.answer else { return }
            taken.timeoutHandler?()
            answer(.failed(reason: "the message did not end within the time limit of its sender", retryAfter: nil))
        }

        private func take() -> State {
            state.withLock { state in
                defer { state = State() }
                return state
            }
        }
    }

    private struct State {
        /// The submits that wait, and some that were answered since the timer last fired.
        var pending: [PendingSubmit] = []
        var isTimerScheduled = false
    }

    private let state = Mutex(State())
    private let clock: MonotonicClock
    private let queue: DispatchQueue

    init(pipeline: String, clock: MonotonicClock) {
        self.clock = clock
        queue = DispatchQueue(label: "hecate.\(pipeline).submit-timeouts", target: .global())
    }

    /// Adds a submit with a deadline, which is kept to a tenth of a second.
    ///
    /// - Parameter answer: called once, by `PendingSubmit.answer` or when the deadline has passed. Must not block.
    func add(until deadline: Duration, _ answer: @escaping @Sendable (Settlement) -> Void) -> PendingSubmit {
        let pending = PendingSubmit(deadline: deadline, answer: answer)
        let needsTimer = state.withLock { state in
            state.pending.append(pending)
            defer { state.isTimerScheduled = true }
            return !state.isTimerScheduled
        }
        if needsTimer { scheduleTimer() }
        return pending
    }

    private func scheduleTimer() {
        queue.asyncAfter(deadline: .now() + .milliseconds(100)) { [self] in
            let all = state.withLock { state in
                defer { state.pending = [] }
                return state.pending
            }
            let now = clock.now()
            let waiting = all.filter(\.isWaiting)
            for pending in waiting where pending.deadline <= now { pending.expire() }
            let needsTimer = state.withLock { state in
                state.pending += waiting.lazy.filter { $0.deadline > now }
                state.isTimerScheduled = !state.pending.isEmpty
                return state.isTimerScheduled
            }
            if needsTimer { scheduleTimer() }
        }
    }
}
