import Glibc
import Locking
import PipelineKit

/// The sockets through which running gateways are tapped: one per process, in a folder that is private to its user.
enum TapSocket {
    static var folder: String {
        if let runtime = environment("XDG_RUNTIME_DIR"), !runtime.isEmpty { return "\(runtime)/hecate" }
        // Not TMPDIR, which differs between shells. Its ownership is checked before use.
        return "/tmp/hecate-\(getuid())"
    }

    static func path(of process: Int32) -> String { "\(folder)/\(process).sock" }

    /// The running processes that have a socket.
    static var processes: [Int32] {
        let names = (try? Files.list(folder)) ?? []
        return names.compactMap { name in
            guard name.hasSuffix(".sock"), let process = Int32(name.dropLast(5)) else { return nil }
            return kill(process, 0) == 0 || errno == EPERM ? process : nil
        }.sorted()
    }

    /// Creates the folder, and removes the sockets of processes that have ended.
    ///
    /// - Throws: if the folder belongs to another user or is accessible to others.
    static func prepare() throws {
        mkdir(folder, 0o700)
        var status = stat()
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(),
            status.st_mode & 0o077 == 0
        else { throw StageError("'\(folder)' is not a folder that is this user's alone") }
        let liveSockets = Set(processes.map { "\($0).sock" })
        for name in (try? Files.list(folder)) ?? []
        where name.hasSuffix(".sock") && !liveSockets.contains(name) {
            unlink("\(folder)/\(name)")
        }
        unlink(path(of: getpid()))
    }
}
