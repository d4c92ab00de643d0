import Glibc
import Locking

/// What all files of this module share: how they are opened, and how a corrupted one is set aside.
enum SpoolFile {
    /// How long a write waits for another process.
    static let busyTimeout = Duration.seconds(5)

    /// Checks that a file can be written, or created in its folder.
    static func checkWritable(_ path: String) throws(SpoolError) {
        let isThere = access(path, F_OK) == 0
        let needed = isThere ? path : Files.parent(of: path)
        guard access(needed, isThere ? R_OK | W_OK : W_OK | X_OK) != 0 else { return }
        throw SpoolError("the file '\(path)' cannot be written: \(needed): \(String(cString: strerror(errno)))")
    }

    /// Renames a file and the files that belong to it.
    ///
    /// - Returns: the new path.
    static func setAside(_ path: String, at seconds: Int64) throws -> String {
        var name = "\(path).corrupted-\(seconds)"
        var count = 1
        while Files.exists(name) {
            name = "\(path).corrupted-\(seconds)-\(count)"
            count += 1
        }
        for suffix in ["", "-wal", "-shm"] where Files.exists(path + suffix) {
            try Files.move(path + suffix, to: name + suffix)
        }
        return name
    }
}
