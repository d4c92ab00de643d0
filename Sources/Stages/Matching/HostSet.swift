import PipelineKit

/// Host names and patterns. A name and `*.name` are looked up, so that a list of ten thousand costs no more than one of ten.
final class HostSet: Sendable {
    fileprivate let names: Set<String>
    fileprivate let domains: Set<String>
    fileprivate let globs: [Glob]

    init(_ patterns: [String]) {
        var names: Set<String> = []
        var domains: Set<String> = []
        var globs: [Glob] = []
        for pattern in patterns.map({ $0.lowercased() }) {
            if !pattern.contains("*"), !pattern.contains("?") {
                names.insert(pattern)
            } else if pattern.hasPrefix("*."), !pattern.dropFirst(2).contains("*"), !pattern.contains("?") {
                domains.insert(String(pattern.dropFirst(2)))
            } else {
                globs.append(Glob(pattern))
            }
        }
        (self.names, self.domains, self.globs) = (names, domains, globs)
    }

    /// All that is in any of these.
    init(union sets: [HostSet]) {
        names = sets.reduce(into: []) { $0.formUnion($1.names) }
        domains = sets.reduce(into: []) { $0.formUnion($1.domains) }
        globs = sets.flatMap(\.globs)
    }

    /// Whether a host is in the set. `*.name` does not include `name` itself.
    func contains(_ host: HostName) -> Bool {
        if names.contains(host.name) { return true }
        if !domains.isEmpty {
            for parent in host.parents where domains.contains(host.text(of: parent)) { return true }
        }
        return !globs.isEmpty && globs.contains { $0.matches(host.name) }
    }
}

/// Which of many sets hold a host, for what one look-up costs, however many sets there are and however long they are.
///
/// What is kept of each entry is a piece of its fingerprint and the number of its set, eight bytes, in the order of the
/// fingerprints; a directory says where those with the same first bits begin. What is found that way is looked up in the set
/// itself.
struct HostIndex: Sendable {
    private struct Entry {
        let fingerprintTail: UInt32
        let set: UInt32
    }

    private let sets: [HostSet]
    /// Sets that hold patterns: nothing can be told of them beforehand.
    private let setsWithPatterns: [Int]
    private let entries: [Entry]
    /// Where the entries of a bucket begin; one more than there are buckets.
    private let bucketStarts: [UInt32]
    /// How far a fingerprint is shifted for its bucket's number.
    private let shift: UInt64

    /// - Parameter sets: fewer than 2^32 entries in all.
    init(_ sets: [HostSet]) {
        self.sets = sets
        setsWithPatterns = sets.indices.filter { !sets[$0].globs.isEmpty }
        let count = sets.reduce(0) { $0 + $1.names.count + $1.domains.count }
        var bits: UInt64 = 1
        while 1 << bits < count { bits += 1 }
        let shift = 64 - bits
        // A counting sort: how many entries each bucket has, where each begins, then each entry to its place.
        var bucketStarts = [UInt32](repeating: 0, count: 1 << bits + 1)
        var found: [(fingerprint: UInt64, set: Int)] = []
        found.reserveCapacity(count)
        for (number, set) in sets.enumerated() {
            for texts in [set.names, set.domains] {
                for text in texts { found.append((HostName.fingerprint(of: text), number)) }
            }
        }
        for (fingerprint, _) in found { bucketStarts[Int(fingerprint >> shift) + 1] += 1 }
        for bucket in bucketStarts.indices.dropFirst() { bucketStarts[bucket] += bucketStarts[bucket - 1] }
        var next = bucketStarts
        var entries = [Entry](repeating: Entry(fingerprintTail: 0, set: 0), count: count)
        for (fingerprint, set) in found {
            let bucket = Int(fingerprint >> shift)
            entries[Int(next[bucket])] = Entry(
                fingerprintTail: UInt32(truncatingIfNeeded: fingerprint), set: UInt32(set))
            next[bucket] += 1
        }
        (self.shift, self.bucketStarts, self.entries) = (shift, bucketStarts, entries)
    }

    /// Calls `body` with the number of each set that holds a host, with some numbers perhaps twice.
    func sets(holding host: HostName, _ body: (Int) -> Void) {
        find(host.fingerprint, host, body)
        for parent in host.parents { find(parent.fingerprint, host, body) }
        for number in setsWithPatterns where sets[number].contains(host) { body(number) }
    }

    private func find(_ fingerprint: UInt64, _ host: HostName, _ body: (Int) -> Void) {
        let bucket = Int(fingerprint >> shift)
        for index in bucketStarts[bucket]..<bucketStarts[bucket + 1] {
            let entry = entries[Int(index)]
            guard entry.fingerprintTail == UInt32(truncatingIfNeeded: fingerprint), sets[Int(entry.set)].contains(host)
            else {
                continue
            }
            body(Int(entry.set))
        }
    }
}
