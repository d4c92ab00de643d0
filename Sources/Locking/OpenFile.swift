public import Glibc

/// An open file, pipe or terminal. Handles interrupted calls and partial writes. Closed when it is released.
///
/// Thread-safe, except `close()`, which no other call may overlap.
public final class OpenFile: Sendable {
    public static let standardInput = OpenFile(descriptor: STDIN_FILENO, isOwned: false)
    public static let standardOutput = OpenFile(descriptor: STDOUT_FILENO, isOwned: false)
    public static let standardError = OpenFile(descriptor: STDERR_FILENO, isOwned: false)

    /// -1 when closed.
    private let open: Atomic<Int32>
    private let isOwned: Bool
    private let path: String?

    /// Takes over a descriptor.
    ///
    /// - Parameter isOwned: whether to close it.
    public init(descriptor: Int32, isOwned: Bool = true, path: String? = nil) {
        open = Atomic(descriptor)
        self.isOwned = isOwned
        self.path = path
    }

    /// Opens a file for reading.
    public convenience init(reading path: String) throws { try self.init(path, O_RDONLY, 0) }

    /// Opens or creates a file for writing.
    ///
    /// - Parameters:
    ///   - appending: whether to keep the content and append each write; else the file is truncated.
    ///   - mode: the permissions of a new file, less the umask.
    public convenience init(writing path: String, appending: Bool = false, mode: mode_t = 0o644) throws {
        try self.init(path, O_WRONLY | O_CREAT | (appending ? O_APPEND : O_TRUNC), mode)
    }

    /// Opens or creates a file for reading and appending.
    public convenience init(updating path: String, mode: mode_t = 0o644) throws {
        try self.init(path, O_RDWR | O_CREAT | O_APPEND, mode)
    }

    private convenience init(_ path: String, _ flags: Int32, _ mode: mode_t) throws {
        self.init(descriptor: try Files.open(path, flags, mode), path: path)
    }

    deinit {
        let descriptor = open.load(ordering: .relaxed)
        if isOwned, descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// The descriptor; -1 when closed.
    public var descriptor: Int32 { open.load(ordering: .relaxed) }

    /// Reads the next bytes, and waits for them.
    ///
    /// - Returns: one to `count` bytes; none at the end.
    public func read(atMost count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try read(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// Reads to the end.
    ///
    /// - Throws: `SystemError`; EFBIG if it exceeds the limit.
    public func readToEnd(atMost bound: Int = 64 << 20) throws -> [UInt8] {
        let bytes = try readBeginning(bound + 1)
        guard bytes.count <= bound else { throw SystemError(code: EFBIG, path: path) }
        return bytes
    }

    /// Reads up to `count` bytes, fewer only at the end.
    public func readBeginning(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let next = try read(atMost: min(64 << 10, count - bytes.count))
            if next.isEmpty { break }
            bytes += next
        }
        return bytes
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            try wait(for: POLLIN)
        }
    }

    /// Writes all bytes.
    ///
    /// - Throws: `SystemError`, possibly after a partial write.
    public func write(_ bytes: some Collection<UInt8>) throws {
        let written: Void? = try bytes.withContiguousStorageIfAvailable { try write($0) }
        if written == nil { try Array(bytes).withUnsafeBufferPointer { try write($0) } }
    }

    private func write(_ bytes: UnsafeBufferPointer<UInt8>) throws(SystemError) {
        var remaining = UnsafeRawBufferPointer(bytes)
        while !remaining.isEmpty {
            let count = Glibc.write(descriptor, remaining.baseAddress, remaining.count)
            if count >= 0 {
                remaining = UnsafeRawBufferPointer(rebasing: remaining[count...])
            } else {
                try wait(for: POLLOUT)
            }
        }
    }

    /// Waits after EAGAIN: another process may have made a shared terminal non-blocking.
    private func wait(for event: Int32) throws(SystemError) {
        let code = errno
        if code == EINTR { return }
        guard code == EAGAIN else { throw SystemError(code: code, path: path) }
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        _ = poll(&entry, 1, -1)
    }

    /// Returns when written data is on disk.
    public func synchronize() throws {
        while fsync(descriptor) != 0 {
            if errno != EINTR { throw SystemError(path: path) }
        }
    }

    public var size: Int {
        get throws {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw SystemError(path: path) }
            return Int(status.st_size)
        }
    }

    /// Truncates or extends the file.
    public func truncate(to size: Int) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw SystemError(path: path) }
    }

    /// Closes the file; further calls fail with EBADF. May be called again.
    public func close() {
        let descriptor = open.exchange(-1, ordering: .relaxed)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }
}
