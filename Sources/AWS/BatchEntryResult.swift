/// How one entry of a batch ended.
public enum BatchEntryResult: Sendable, Equatable {
    /// It is done.
    case done
    /// It failed. `isSenderFault` says that it will fail again as it is.
    case failed(reason: String, isSenderFault: Bool)
}
