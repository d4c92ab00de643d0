import Dispatch

/// Keeps off a loop what would hold up the loop's other connections.
enum LongWork {
    /// How large a body may be that is taken apart on the loop that read it: about a tenth of a millisecond of work.
    private static let maximumInlineBytes = 64 << 10

    /// Works through a body: here where it is small, else on a queue of Dispatch.
    static func run(bodyBytes: Int, _ work: @escaping @Sendable () -> Void) {
        if bodyBytes <= maximumInlineBytes { work() } else { DispatchQueue.global().async(execute: work) }
    }
}
