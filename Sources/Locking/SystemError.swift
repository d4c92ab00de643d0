public import Glibc

/// An operation of the system that failed, with its reason and what it was about.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The reason, as in <errno.h>.
    public let code: Int32
    /// The file that it was about; nil where there is none.
    public let path: String?

    /// An error with a reason: by default that of the call before, which has to be the last one of the calling thread.
    public init(code: Int32 = errno, path: String? = nil) {
        self.code = code
        self.path = path
    }

    /// The reason in words.
    public var reason: String { String(cString: strerror(code)) }

    /// The file and the reason, as in `/no/such: No such file or directory`.
    public var description: String { path.map { "\($0): \(reason)" } ?? reason }
}
