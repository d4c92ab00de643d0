import Dispatch
import Glibc
import Locking
import PipelineKit

/// Blocking file I/O off Swift's cooperative threads.
enum FileDescriptorIO {
    /// Returns an error for the last failed system call.
    static func systemError(_ what: String) -> StageError { systemError(what, SystemError()) }

    /// Returns an error for a system error.
    static func systemError(_ what: String, _ error: SystemError) -> StageError {
        StageError("\(what): \(error.reason)")
    }

    /// Runs blocking work on a Dispatch queue.
    static func blocking<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Swift.Result { try work() }) }
        }
    }

    /// Writes all bytes.
    static func writeAll(_ bytes: [UInt8], to file: OpenFile) throws {
        do {
            try file.write(bytes)
        } catch let error as SystemError {
            throw systemError("writing failed", error)
        }
    }

    /// Reads what is available, at most 64 KiB, and waits for it until `isStopped`. Returns no bytes at the end of the
    /// file and when stopped.
    static func readChunk(from descriptor: Int32, isStopped: () -> Bool) throws -> [UInt8] {
        while !isStopped() {
            var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&descriptors, 1, 100)
            if ready == 0 || (ready < 0 && errno == EINTR) { continue }
            var code: Int32 = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, filled in
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                code = count < 0 ? errno : 0
                filled = max(0, count)
            }
            if code == EINTR || code == EAGAIN { continue }
            guard code == 0 else { throw systemError("reading failed", SystemError(code: code)) }
            return chunk
        }
        return []
    }
}
