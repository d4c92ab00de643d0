/// Where messages go.
///
/// An author writes nothing of retries, ordering, metrics or shutdown: those are the runner's. The runner never has
/// two messages of one key inside `write` at once.
public protocol Sink: Stage {
    /// How the runner may call `write`.
    var capabilities: SinkCapabilities { get }

    /// Makes ready to write. Called once before the first `write`; called again after a pause if it threw.
    ///
    /// - Throws: why it cannot be written to now.
    func open() async throws

    /// Writes messages and says for each of them, in the same order, how that went. Returns within a time that is
    /// bounded by the sink's own time-outs. What depends on time is worked out for the moment of the write. It begins on a
    /// lane's queue, so up to its first `await` it must not block.
    func write(_ batch: [Message]) async -> [WriteOutcome]

    /// Lets go of everything. Called once, after the last `write` has returned; more calls do nothing.
    func close() async

    /// Looks whether what is written to is there and lets itself be written to, without changing anything in it: for
    /// `hecate validate --connect`. Called instead of `open`; ends closed.
    ///
    /// - Returns: what was seen, in a few words.
    /// - Throws: why it could not be written to now.
    func probe() async throws -> String
}

extension Sink {
    /// Nothing to prepare.
    public func open() async throws {}
    /// Nothing to let go of.
    public func close() async {}
    /// Opens and closes.
    public func probe() async throws -> String {
        try await open()
        await close()
        return "it can be opened"
    }
}

/// How a runner may use a sink.
public struct SinkCapabilities: Sendable {
    /// The most messages in one call of `write`.
    public var batch: Int
    /// The most calls of `write` at once.
    public var inFlight: Int
    /// Whether a message replaces what was written before under its key, so that one that still waits may be left out
    /// when a newer one of its key has come.
    public var isUpsert: Bool

    /// One message at a time unless said otherwise.
    public init(batch: Int = 1, inFlight: Int = 1, isUpsert: Bool = false) {
        self.batch = batch
        self.inFlight = inFlight
        self.isUpsert = isUpsert
    }
}

/// How the writing of one message ended.
public enum WriteOutcome: Sendable, Equatable {
    /// It is written.
    case delivered
    /// It had lost its meaning when its turn came and was not written.
    case expired
    /// What is there already is newer; it was not written.
    case superseded
    /// It failed this time and may succeed later, not before `retryAfter`.
    case transient(reason: String, retryAfter: Duration?)
    /// It can never succeed as it is.
    case permanent(reason: String)

    /// The outcome without its reasons; as a number, the place in a list of all.
    enum Kind: Int, CaseIterable {
        case delivered, expired, superseded, transient, permanent
    }

    var kind: Kind {
        switch self {
        case .delivered: .delivered
        case .expired: .expired
        case .superseded: .superseded
        case .transient: .transient
        case .permanent: .permanent
        }
    }

    /// The outcome as metrics and logs name it.
    var name: String { "\(kind)" }
}
