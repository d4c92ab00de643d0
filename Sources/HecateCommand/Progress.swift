import Glibc
import Locking

/// Shows the progress of an operation on a terminal after two seconds; nothing if standard error is no terminal.
/// Thread-safe.
final class Progress: Sendable {
    private struct State {
        var done = 0
        var isShown = false
        var isEnded = false
    }

    private let what: String
    private let total: Int?
    private let done: (@Sendable () -> Int)?
    private let state = Mutex(State())
    private let startedAt = ContinuousClock.now
    private let ticking = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - what: the operation, as in "sending again".
    ///   - total: the total amount, if known.
    ///   - done: returns how much is done; by default the sum of `advance`.
    init(_ what: String, total: Int? = nil, done: (@Sendable () -> Int)? = nil) {
        self.what = what
        self.total = total
        self.done = done
        guard isatty(2) == 1 else { return }
        ticking.withLock { ticking in
            ticking = Task { [weak self] in
                try? await Task.sleep(for: .seconds(2))
                while !Task.isCancelled, let self {
                    self.show()
                    try? await Task.sleep(for: .milliseconds(250))
                }
            }
        }
    }

    /// Adds to what is done.
    func advance(by count: Int = 1) { state.withLock { $0.done += count } }

    /// Ends the operation and removes the display.
    func end() {
        ticking.withLock { $0?.cancel() }
        let wasShown = state.withLock { state in
            state.isEnded = true
            return state.isShown
        }
        if wasShown { Console.show("\r\u{1b}[K") }
    }

    private static func bar(_ done: Int, of total: Int) -> String {
        let width = 20
        let filled = total > 0 ? min(width, done * width / total) : width
        return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    }

    private func show() {
        let done: Int? = state.withLock { state in
            guard !state.isEnded else { return nil }
            state.isShown = true
            return self.done?() ?? state.done
        }
        guard let done else { return }
        let seconds = Int((ContinuousClock.now - startedAt) / .seconds(1))
        let count = total.map { "\(Self.bar(done, of: $0)) \(done) of \($0)" } ?? (done > 0 ? "\(done)" : "")
        let text = "\(what)\(count.isEmpty ? "" : " \(count)") … \(seconds) s"
        Console.show("\r\u{1b}[K\(text)")
    }
}
