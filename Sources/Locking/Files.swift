public import Glibc

/// Files and directories by path. All calls block, and throw `SystemError`s with the path.
public enum Files {
    /// Reads a whole file, pipe, or file of `/proc`.
    ///
    /// - Throws: EFBIG if it exceeds the limit.
    public static func read(_ path: String, atMost bound: Int = 64 << 20) throws -> [UInt8] {
        try OpenFile(reading: path).readToEnd(atMost: bound)
    }

    /// Overwrites a file in place.
    ///
    /// - Parameter mode: the permissions of a new file, less the umask.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o644) throws {
        let file = try OpenFile(writing: path, mode: mode)
        try file.write(bytes)
    }

    /// Replaces or creates a file atomically: readers see the old or the new content, even after a power failure.
    ///
    /// - Parameter mode: the permissions, less the umask.
    public static func replace(_ path: String, with bytes: [UInt8], mode: mode_t = 0o644) throws {
        let temporary = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36))"
        do {
            let file = OpenFile(descriptor: try open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode))
            try file.write(bytes)
            try file.synchronize()
            guard rename(temporary, path) == 0 else { throw SystemError() }
        } catch let error as SystemError {
            unlink(temporary)
            throw SystemError(code: error.code, path: path)
        }
        // Syncing the directory makes the name durable.
        if let directory = try? OpenFile(reading: parent(of: path)) { try? directory.synchronize() }
    }

    /// Returns whether a file exists. False for inaccessible paths and dangling links.
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Returns whether the process may execute the file.
    public static func isExecutable(_ path: String) -> Bool { !isDirectory(path) && access(path, X_OK) == 0 }

    /// Returns whether the path is a directory or a link to one.
    public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Returns the size of a file in bytes.
    public static func size(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError(path: path) }
        return Int(status.st_size)
    }

    /// Moves a file on the same file system, and replaces an existing one.
    public static func move(_ from: String, to: String) throws {
        guard rename(from, to) == 0 else { throw SystemError(path: from) }
    }

    /// Removes a file or an empty directory.
    public static func remove(_ path: String) throws {
        guard Glibc.remove(path) == 0 else { throw SystemError(path: path) }
    }

    /// Removes a file or an empty directory if it exists.
    public static func removeIfPresent(_ path: String) throws {
        guard Glibc.remove(path) == 0 || errno == ENOENT else { throw SystemError(path: path) }
    }

    /// Removes a file, or a directory with its content, if it exists. Links are removed, not followed.
    public static func removeAll(_ path: String) throws {
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            for name in try list(path) { try removeAll("\(path)/\(name)") }
        }
        try removeIfPresent(path)
    }

    /// Returns the names in a directory without `.` and `..`, sorted by bytes.
    public static func list(_ directory: String) throws -> [String] {
        guard let stream = opendir(directory) else { throw SystemError(path: directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw SystemError(path: directory) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Creates a directory.
    ///
    /// - Parameters:
    ///   - mode: the permissions, less the umask.
    ///   - intermediate: whether to create missing parents, and to accept an existing directory.
    public static func makeDirectory(_ path: String, mode: mode_t = 0o777, intermediate: Bool = false) throws {
        if mkdir(path, mode) == 0 { return }
        let code = errno
        guard intermediate else { throw SystemError(code: code, path: path) }
        switch code {
        case EEXIST where isDirectory(path): return
        case ENOENT where parent(of: path) != path:
            try makeDirectory(parent(of: path), intermediate: true)
            // Another process may have created it meanwhile.
            guard mkdir(path, mode) == 0 || errno == EEXIST else { throw SystemError(path: path) }
        default: throw SystemError(code: code, path: path)
        }
    }

    /// The directory for temporary files: $TMPDIR, or /tmp. Without a final slash.
    public static var temporaryDirectory: String {
        guard var directory = environment("TMPDIR"), !directory.isEmpty else { return "/tmp" }
        while directory.utf8.count > 1, directory.utf8.last == UInt8(ascii: "/") { directory.removeLast() }
        return directory
    }

    /// Returns the parent directory of a path: `.` for a bare name, `/` for the root.
    public static func parent(of path: String) -> String {
        var bytes = Substring(path).utf8
        while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes = bytes.dropLast() }
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        bytes = bytes[..<slash]
        while bytes.last == UInt8(ascii: "/") { bytes = bytes.dropLast() }
        return bytes.isEmpty ? "/" : String(Substring(bytes))
    }

    static func open(_ path: String, _ flags: Int32, _ mode: mode_t) throws(SystemError) -> Int32 {
        while true {
            let descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw SystemError(path: path) }
        }
    }
}
