import Glibc
import Locking

/// A lock of one process, until it is released or the process ends.
final class ProcessLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `SpoolError` if another process holds it.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SpoolError("'\(path)' cannot be written: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw SpoolError("another process uses the spool '\(path)'; give each gateway a spool of its own")
        }
    }

    func release() { close(descriptor) }
}
