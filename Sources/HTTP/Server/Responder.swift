import Locking

/// Answers one request. Thread-safe; later calls are ignored. If it is dropped without a response, it answers 500.
public final class Responder: Sendable {
    /// An observer of the end of a request.
    protocol Observer: AnyObject, Sendable {
        /// Called when the response was given or the responder was dropped. On any thread.
        func requestEnded()
    }

    private enum Target {
        case connection(ServerConnection)
        case closure(@Sendable (ServerResponse) -> Void)
    }

    private let target: Target
    private let isAnswered = Atomic<Bool>(false)
    /// Set before the responder is passed on, read when the response is given.
    private let observer = Mutex<(any Observer)?>(nil)

    init(_ connection: ServerConnection) { target = .connection(connection) }

    /// Makes a responder with a closure, for tests.
    public init(_ answer: @escaping @Sendable (ServerResponse) -> Void) { target = .closure(answer) }

    deinit {
        guard isFirst() else { return }
        send(.text(500, "there is no answer"))
    }

    /// Answers the request. Writes at once on the connection's event loop, else as soon as possible.
    public func respond(_ response: ServerResponse) {
        guard isFirst() else { return }
        send(response)
    }

    /// Sets the observer.
    func observe(_ observer: any Observer) { self.observer.withLock { $0 = observer } }

    /// Runs work on the event loop of the connection, or at once without one.
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
