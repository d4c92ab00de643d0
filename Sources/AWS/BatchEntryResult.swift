/// The result of one entry of a batch.
public enum BatchEntryResult: Sendable, Equatable {
    /// It succeeded.
    case done
    /// It failed. With `isSenderFault` it will fail again.
    case failed(reason: String, isSenderFault: Bool)
}
