import Locking

/// What all files of this module share: how they are opened, and how a corrupted one is set aside.
enum SpoolFile {
    /// How long a write waits for another process.
    static let busyTimeout = Duration.seconds(5)

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
