/// An answer of a service that is an error.
public struct AWSServiceError: Error, CustomStringConvertible, Sendable {
    /// The HTTP status.
    public var status: Int
    /// The service's code, such as `NotFound`; empty where it gave none.
    public var code: String
    /// What was called, and what the service said about it.
    public var description: String

    init(action: String, status: Int, code: String, reason: String) {
        self.status = status
        self.code = code
        description = "\(action): \(code.isEmpty ? "status \(status)" : code): \(reason)"
    }

    /// Whether the same call may succeed later.
    public var isTransient: Bool {
        status >= 500 || status == 429 || code.contains("Throttl") || code == "RequestTimeout" || code == "OverLimit"
    }
}
