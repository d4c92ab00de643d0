/// Receives messages.
///
/// The runner calls `run` once, and provides retries, ordering, the metrics of later stages and shutdown.
public protocol Source: Stage {
    /// Whether the sender redelivers a message that failed. If not, the runner retries transient failures without a
    /// limit.
    static var redelivers: Bool { get }

    /// Receives messages and passes them to the intake until the source ends or `stop` is called. Every message that
    /// was passed on must be answered when this returns.
    ///
    /// - Throws: why the source cannot go on. The pipeline is then shut down in order, and the process exits with
    ///   status 1.
    func run(into intake: Intake) async throws

    /// Checks what `run` needs, such as certificate files, without changing anything. Called before this pipeline
    /// replaces a running one, which an error leaves running.
    ///
    /// - Throws: the error that would make `run` fail.
    func prepare() async throws

    /// Stops `run`: it receives nothing more and returns when everything it received is answered. Called at most once,
    /// from any thread, possibly before or after `run`.
    func stop() async

    /// Whether messages can arrive, as reported by `/ready`.
    var readiness: Readiness { get }

    /// Checks the connection without receiving anything, for `hecate validate --connect`. Called instead of `run`.
    ///
    /// - Returns: a short description of what was found.
    /// - Throws: why nothing can be received now.
    func probe() async throws -> String
}

extension Source {
    /// False, as for a file, which is read once.
    public static var redelivers: Bool { false }
    /// Does nothing.
    public func prepare() async throws {}
    public var readiness: Readiness { .ready }
    /// There is no connection to check.
    public func probe() async throws -> String { "there is no connection to check" }
}
