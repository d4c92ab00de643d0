import Dispatch
import Glibc
import Locking
import Telemetry

/// Handles SIGTERM and SIGINT (the first stops in order, the second exits at once) and SIGHUP (reload).
final class ProcessSignals {
    private let sources: [any DispatchSourceSignal]

    /// Starts to handle signals.
    ///
    /// - Parameters:
    ///   - reload: called at each SIGHUP; nil to ignore it.
    ///   - stop: called once, at the first signal.
    init(
        logger: Logger, reload: (@Sendable () async -> Void)? = nil, stop: @escaping @Sendable () async -> Void
    ) {
        let received = Received()
        var sources: [any DispatchSourceSignal] = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                guard received.next() == 1 else {
                    Console.error("a second signal: exiting at once")
                    _exit(130)
                }
                logger.notice(
                    "stopping after a signal", metadata: ["signal": "\(number == SIGTERM ? "SIGTERM" : "SIGINT")"])
                Task { await stop() }
            }
            source.resume()
            return source
        }
        signal(SIGHUP, SIG_IGN)
        if let reload {
            let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
            source.setEventHandler { Task { await reload() } }
            source.resume()
            sources.append(source)
        }
        self.sources = sources
    }

    private final class Received: Sendable {
        private let count = Atomic<Int>(0)
        func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
    }

    /// Stops handling signals.
    func cancel() {
        for source in sources { source.cancel() }
    }
}
