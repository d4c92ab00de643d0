/// An error response of a service.
public struct AWSServiceError: Error, CustomStringConvertible, Sendable {
    public var status: Int
    /// The service's error code, such as `NotFound`; empty if it gave none.
    public var code: String
    /// What was called, and the service's message.
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
