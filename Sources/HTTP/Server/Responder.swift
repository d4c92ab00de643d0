import Locking

/// Answers exactly one request. May be called from any thread, at most once; later calls are ignored. One that is let go of without an
/// answer answers 500.
public final class Responder: Sendable {
    /// Somebody who wants to know that a request is answered.
    protocol Observer: AnyObject, Sendable {
        /// The answer was given, or the responder was dropped. On any thread.
        func requestEnded()
    }

    private enum Target {
        case connection(ServerConnection)
        case closure(@Sendable (ServerResponse) -> Void)
    }

    private let target: Target
    private let isAnswered = Atomic<Bool>(false)
    /// Written before the responder is handed to who answers, read when the answer is given.
    private let observer = Mutex<(any Observer)?>(nil)

    init(_ connection: ServerConnection) { target = .connection(connection) }

    /// One whose answer goes to a function, such as a test's.
    public init(_ answer: @escaping @Sendable (ServerResponse) -> Void) { target = .closure(answer) }

    deinit {
        guard isFirst() else { return }
        send(.text(500, "there is no answer"))
    }

    /// Answers the request. On the connection's loop the answer is written at once, else as soon as the loop comes to it.
    public func respond(_ response: ServerResponse) {
        guard isFirst() else { return }
        send(response)
    }

    /// Has somebody told when the request is answered.
    func observe(_ observer: any Observer) { self.observer.withLock { $0 = observer } }

    /// Runs on the loop of the request's connection; at once where there is none.
    func onLoop(_ work: @escaping @Sendable () -> Void) {
        switch target {
        case .connection(let connection): connection.loop.submit(work)
        case .closure: work()
        }
    }

    private func isFirst() -> Bool { !isAnswered.exchange(true, ordering: .acquiringAndReleasing) }

    private func send(_ response: ServerResponse) {
        switch target {
        case .connection(let connection): connection.take(response)
        case .closure(let answer): answer(response)
        }
        observer.withLock { $0.take() }?.requestEnded()
    }
}
