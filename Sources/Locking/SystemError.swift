public import Glibc

/// A failed system call, with its path.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The errno.
    public let code: Int32
    /// The path; nil if there is none.
    public let path: String?

    /// Makes an error, by default with the errno of the calling thread's last call.
    public init(code: Int32 = errno, path: String? = nil) {
        self.code = code
        self.path = path
    }

    /// The message of the errno.
    public var reason: String { String(cString: strerror(code)) }

    /// The path and the reason, as in `/no/such: No such file or directory`.
    public var description: String { path.map { "\($0): \(reason)" } ?? reason }
}
