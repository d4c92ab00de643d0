/// Whether a part of the program can do its work.
public enum Readiness: Sendable, Equatable {
    /// It can.
    case ready
    /// It can, but something needs attention.
    case degraded(String)
    /// It cannot, for this reason.
    case notReady(String)
}
