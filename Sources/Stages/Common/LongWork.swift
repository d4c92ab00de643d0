import Dispatch

/// Keeps long work off the event loops, where it would block other connections.
enum LongWork {
    /// The maximum size of a body that is parsed on the event loop: about a tenth of a millisecond of work.
    private static let maximumInlineBytes = 64 << 10

    /// Runs the work for a body: here if the body is small, else on a Dispatch queue.
    static func run(bodyBytes: Int, _ work: @escaping @Sendable () -> Void) {
        if bodyBytes <= maximumInlineBytes { work() } else { DispatchQueue.global().async(execute: work) }
    }
}
