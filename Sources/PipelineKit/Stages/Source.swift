/// Where messages come from.
///
/// The runner calls `run` once. Retries, ordering, metrics of what follows and shutdown are the runner's.
public protocol Source: Stage {
    /// Whether the sender sends a message again when it is told that it failed. Where it does not, the runner retries a
    /// transient failure for as long as it takes.
    static var redelivers: Bool { get }

    /// Takes messages and hands them to the intake, until there are no more or `stop` was called. Every message that
    /// was handed over must have been answered to the outside when this returns.
    ///
    /// - Throws: what makes it impossible to go on; the pipeline is shut down in order and the process ends with 1.
    func run(into intake: Intake) async throws

    /// Checks what `run` will need, such as the files of a certificate, and changes nothing. Called before a running pipeline is replaced
    /// by this one, so that a mistake leaves that as it is.
    ///
    /// - Throws: what would make `run` fail.
    func prepare() async throws

    /// Asks `run` to take nothing more and to return as soon as what it took is answered. Called at most once, from
    /// any thread, also before or after `run`.
    func stop() async

    /// Whether messages can arrive now: what `/ready` says.
    var readiness: Readiness { get }

    /// Looks whether what is read from is there and lets itself be read, without taking anything: for
    /// `hecate validate --connect`. Called instead of `run`.
    ///
    /// - Returns: what was seen, in a few words.
    /// - Throws: why nothing could be read now.
    func probe() async throws -> String
}

extension Source {
    /// No: a file is read once.
    public static var redelivers: Bool { false }
    /// Nothing to check.
    public func prepare() async throws {}
    /// Ready.
    public var readiness: Readiness { .ready }
    /// Nothing outside to look at.
    public func probe() async throws -> String { "there is nothing to look at" }
}

/// Whether a part is able to do its work.
public enum Readiness: Sendable, Equatable {
    /// It is.
    case ready
    /// It is, but something is wrong that a person should know.
    case degraded(String)
    /// It is not, for a reason.
    case notReady(String)
}
