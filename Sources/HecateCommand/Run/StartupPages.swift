import Glibc
import Locking

/// Pages with code that only the start needed, which count as this process's memory while they are mapped.
enum StartupPages {
    /// Discards all resident pages of code; those still in use are read again from the page cache. A waiting gateway
    /// then uses less than half of the memory, at the cost of some hundred minor faults.
    ///
    /// Only mappings that are not writable and have no private pages: the file has their content.
    /// - Returns: how many bytes were discarded; 0 if the kernel does not report mappings.
    @discardableResult
    static func release() -> Int {
        guard let text = try? Files.text("/proc/self/smaps") else { return 0 }
        var released = 0
        for mapping in Self.mappings(text) where mapping.isUnchangedCode {
            guard let start = UnsafeMutableRawPointer(bitPattern: mapping.start) else { continue }
            // Ignore mappings that are gone by now.
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

    /// Parses mappings.
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
                // Dirty pages may belong to a file that was just written; anonymous ones are private.
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
