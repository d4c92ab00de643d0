import Glibc
import Locking

/// Code that only the start needed, which the kernel counts as this process's memory for as long as it is mapped.
enum StartupPages {
    /// Lets go of all code that is mapped now; what is still used comes back, from the page cache, when it is used next. A gateway that
    /// waits keeps less than half of the memory that it had after its start, at the price of some hundred minor faults.
    ///
    /// Only mappings that nobody can write and that no page of is this process's own: those are the file's, and lose nothing.
    /// - Returns: how many bytes are no longer counted; 0 where the kernel does not tell what is mapped.
    @discardableResult
    static func release() -> Int {
        guard let text = try? Files.text("/proc/self/smaps") else { return 0 }
        var released = 0
        for mapping in Self.mappings(text) where mapping.isUnchangedCode {
            guard let start = UnsafeMutableRawPointer(bitPattern: mapping.start) else { continue }
            // A mapping that is gone by now is no reason to stop.
            if madvise(start, Int(mapping.end - mapping.start), MADV_DONTNEED) == 0 {
                released += mapping.residentBytes
            }
        }
        return released
    }

    /// A mapping of this process.
    struct Mapping: Equatable {
        var start: UInt
        var end: UInt
        var permissions: String
        var file: String
        var residentBytes = 0
        var ownBytes = 0

        var isUnchangedCode: Bool { permissions == "r-xp" && file.hasPrefix("/") && ownBytes == 0 }
    }

    /// Reads mappings.
    ///
    /// Source of the format: Linux, proc(5), `/proc/PID/smaps`.
    static func mappings(_ text: String) -> [Mapping] {
        var mappings: [Mapping] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            guard let first = words.first else { continue }
            if first.hasSuffix(":") {
                guard words.count >= 3, let last = mappings.indices.last, let count = Int(words[1]) else { continue }
                switch first {
                case "Rss:": mappings[last].residentBytes = count * 1024
                // Dirty pages may as well be those of a file that was just written; a page of the process's own is anonymous.
                case "Anonymous:": mappings[last].ownBytes = count * 1024
                default: break
                }
            } else if words.count >= 5 {
                let range = first.split(separator: "-").compactMap { UInt($0, radix: 16) }
                guard range.count == 2 else { continue }
                mappings.append(
                    Mapping(
                        start: range[0], end: range[1], permissions: String(words[1]),
                        file: words.count >= 6 ? String(words[5]) : ""))
            }
        }
        return mappings
    }
}
