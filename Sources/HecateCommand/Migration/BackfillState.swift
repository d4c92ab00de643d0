import Arguments
import Cryptography
import Glibc
import Locking
import PipelineKit
import Telemetry
import Wire

/// The progress of a backfill in a file: one line with the hash of each registration that succeeded.
final class BackfillState: Sendable {
    /// The maximum size of the file, enough for millions of lines.
    private static let maximumBytes = 1 << 30

    private let path: String
    private let completed: Set<String>
    private let file: OpenFile
    private let cannotBeKept = StopFlag()

    init(path: String?, from: String, pipeline: String) throws {
        self.path = path ?? Self.defaultPath(of: "\(from)\n\(Files.absolute(pipeline))")
        do {
            try Files.makeDirectory(Files.parent(of: self.path), intermediate: true)
            file = try OpenFile(updating: self.path)
            let lines = try file.readToEnd(atMost: Self.maximumBytes).split(separator: UInt8(ascii: "\n"))
            completed = Set(lines.map { String(decoding: $0, as: UTF8.self) })
        } catch {
            throw CommandFailure(
                "'\(self.path)' cannot be used to record the progress: \(error); name another file with --state")
        }
    }

    private static func defaultPath(of what: String) -> String {
        // An empty value counts as unset (XDG Base Directory Specification).
        let named = environment("XDG_STATE_HOME").flatMap { $0.isEmpty ? nil : $0 }
        let base = named ?? "\(Self.home)/.local/state"
        return "\(base)/hecate/backfill-\(hash(Array(what.utf8)).prefix(16)).done"
    }

    /// The user's home folder.
    private static var home: String {
        if let home = environment("HOME"), !home.isEmpty { return home }
        return getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) } ?? "/"
    }

    private static func hash(_ bytes: [UInt8]) -> String { Hex.encode(Digest.sha256(bytes)) }

    func contains(_ entry: RegistrationList.Entry) -> Bool { completed.contains(Self.hash(entry.record)) }

    /// Records a success. Thread-safe; each line is one write, so that lines never mix.
    func add(_ entry: RegistrationList.Entry) {
        do {
            try file.write("\(Self.hash(entry.record))\n".utf8)
        } catch {
            guard !cannotBeKept.isSet else { return }
            cannotBeKept.set()
            Console.error("the progress cannot be recorded any more; another run would repeat it: \(error)")
        }
    }

    func remove() {
        file.close()
        unlink(path)
    }
}
