/// A filter that reads fields of the record. Consecutive filters of a pipeline share a view, so that each field is
/// looked up once.
public protocol RecordFilter: Filter {
    /// Returns the same as `admits(_:)`.
    func admits(_ record: RecordView) throws -> Bool

    /// Makes a group that evaluates consecutive filters of this kind at less cost than one by one; nil if nothing is
    /// gained.
    static func group(of filters: [Self]) -> (any FilterGroup)?
}

extension RecordFilter {
    /// The filters are evaluated one by one.
    public static func group(of filters: [Self]) -> (any FilterGroup)? { nil }
}

/// Several consecutive filters that are evaluated together.
public protocol FilterGroup: Sendable {
    /// Runs a message through the group. The result is that of the filters one after the other.
    func run(_ record: RecordView) -> FilterGroupResult
}

/// How far a message got in a group of filters, which are numbered from 0.
public enum FilterGroupResult {
    /// All filters passed it.
    case passed
    /// This filter stopped it, those before passed it.
    case stopped(by: Int)
    /// This filter threw an error, those before passed the message.
    case failed(by: Int, any Error)
}
