import Dispatch
import Foundation
import PipelineKit
import Locking

/// Blocking reads and writes of files, kept off Swift's own threads.
enum FileDescriptorIO {
    /// What the system said when something failed.
    static func systemError(_ what: String) -> StageError { StageError("\(what): \(String(cString: strerror(errno)))") }

    /// Runs blocking work on a queue of Dispatch.
    static func blocking<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Swift.Result { try work() }) }
        }
    }

    /// Writes all bytes.
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw systemError("writing failed")
            }
            written += count
        }
    }

    /// Reads what there is, at most 64 KiB, waiting for it until `isStopped`. Empty at the end of the file, and when stopped.
    static func readChunk(from descriptor: Int32, isStopped: () -> Bool) throws -> [UInt8] {
        while !isStopped() {
            var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&descriptors, 1, 100)
            if ready == 0 || (ready < 0 && errno == EINTR) { continue }
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                throw systemError("reading failed")
            }
            return Array(buffer[..<count])
        }
        return []
    }
}
