public import Glibc

/// An open file, pipe or terminal: reads and whole writes, whatever signals come. It is closed when nothing holds it any more.
///
/// From any thread; `close()` only by who knows that no other call is under way.
public final class OpenFile: Sendable {
    /// The process's input.
    public static let standardInput = OpenFile(descriptor: STDIN_FILENO, isOwned: false)
    /// The process's output.
    public static let standardOutput = OpenFile(descriptor: STDOUT_FILENO, isOwned: false)
    /// The process's output for messages.
    public static let standardError = OpenFile(descriptor: STDERR_FILENO, isOwned: false)

    /// Minus one when it is closed.
    private let open: Atomic<Int32>
    private let isOwned: Bool
    private let path: String?

    /// Takes a descriptor over.
    ///
    /// - Parameter isOwned: whether it is closed with this.
    public init(descriptor: Int32, isOwned: Bool = true, path: String? = nil) {
        open = Atomic(descriptor)
        self.isOwned = isOwned
        self.path = path
    }

    /// Opens a file to read it from its beginning.
    public convenience init(reading path: String) throws { try self.init(path, O_RDONLY, 0) }

    /// Opens a file to write it, and makes it where there is none.
    ///
    /// - Parameters:
    ///   - appending: whether what is there stays, and each write goes to the end; else the file begins empty.
    ///   - mode: who may do what with it where it is new, less the process's mask.
    public convenience init(writing path: String, appending: Bool = false, mode: mode_t = 0o644) throws {
        try self.init(path, O_WRONLY | O_CREAT | (appending ? O_APPEND : O_TRUNC), mode)
    }

    /// Opens a file to read it from its beginning and to append to it, and makes it where there is none.
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

    /// The descriptor; -1 when it is closed.
    public var descriptor: Int32 { open.load(ordering: .relaxed) }

    /// The next bytes, as soon as there are any.
    ///
    /// - Returns: one to `count` bytes; none at the end.
    public func read(atMost count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try read(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// Everything up to the end.
    ///
    /// - Throws: a `SystemError`; EFBIG where there is more than the bound.
    public func readToEnd(atMost bound: Int = 64 << 20) throws -> [UInt8] {
        let bytes = try readBeginning(bound + 1)
        guard bytes.count <= bound else { throw SystemError(code: EFBIG, path: path) }
        return bytes
    }

    /// What comes next: so many bytes, or fewer where the end comes before.
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
    /// - Throws: a `SystemError`; a part may be written then.
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

    /// After a call that failed: waits where another process made the descriptor one that does not block, as terminals are shared.
    private func wait(for event: Int32) throws(SystemError) {
        let code = errno
        if code == EINTR { return }
        guard code == EAGAIN else { throw SystemError(code: code, path: path) }
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        _ = poll(&entry, 1, -1)
    }

    /// Returns when what was written is on the disk.
    public func synchronize() throws {
        while fsync(descriptor) != 0 {
            if errno != EINTR { throw SystemError(path: path) }
        }
    }

    /// The size in bytes.
    public var size: Int {
        get throws {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw SystemError(path: path) }
            return Int(status.st_size)
        }
    }

    /// Cuts the file, or fills it with zeros, to a size.
    public func truncate(to size: Int) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw SystemError(path: path) }
    }

    /// Closes it; once it is closed every call fails with EBADF. Does nothing the second time.
    public func close() {
        let descriptor = open.exchange(-1, ordering: .relaxed)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }
}
