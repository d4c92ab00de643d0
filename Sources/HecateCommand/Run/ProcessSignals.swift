import Dispatch
import Glibc
import Telemetry
import Locking

/// SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once. SIGHUP: read the files again.
final class ProcessSignals {
    private let sources: [any DispatchSourceSignal]

    /// Begins to listen for signals.
    ///
    /// - Parameters:
    ///   - reload: called at each SIGHUP, which is passed over where this is nil.
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
                    Console.error("a second signal: ending at once")
                    _exit(130)
                }
                logger.notice("a signal to stop", metadata: ["signal": "\(number == SIGTERM ? "SIGTERM" : "SIGINT")"])
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

    /// Listens no more.
    func cancel() {
        for source in sources { source.cancel() }
    }
}

/// Whether a signal has come. May be used from any thread.
final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}
