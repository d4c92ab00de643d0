/// Decides which messages go on.
///
/// A pure function of message and options. It is called on a lane's queue, for one message at a time there, but on
/// several lanes at once.
public protocol Filter: Stage {
    /// Whether the message goes on. One that does not is settled as `filtered`, which counts as success.
    ///
    /// - Throws: `StageError` where no answer can be given: the message is refused to the sender, or, where the error says that
    ///   it may pass, looked at again after a pause.
    func admits(_ message: Message) throws -> Bool
}

/// A filter that goes by what stands in the record. Those that follow each other in a pipeline are handed the same view, so that
/// the second finds what the first has looked for.
public protocol RecordFilter: Filter {
    /// As `admits(_:)`, which answers the same.
    func admits(_ record: RecordView) throws -> Bool

    /// What answers for several of this kind that stand in a row, at less cost than each on its own; nil where nothing is gained.
    static func group(of filters: [Self]) -> (any FilterGroup)?
}

extension RecordFilter {
    /// Each is asked on its own.
    public static func group(of filters: [Self]) -> (any FilterGroup)? { nil }
}

/// Several filters in a row, asked together.
public protocol FilterGroup: Sendable {
    /// Runs a message through the row. It answers what the filters would, asked one after the other.
    func run(_ record: RecordView) -> FilterGroupResult
}

/// How far a message comes in a row of filters. Filters are numbered from 0.
public enum FilterGroupResult {
    /// All let it through.
    case passed
    /// This one stopped it, those before let it through.
    case stopped(by: Int)
    /// This one threw an error, those before let it through.
    case failed(by: Int, any Error)
}

/// A filter that wants to know how what it let through ended, such as one that leaves out what was written before.
public protocol OutcomeObserver: Filter {
    /// A message that was let through has ended. Called once for each, as the filter saw it, on any thread.
    func ended(_ message: Message, _ settlement: Settlement)
}
