import PipelineKit

/// Finds which of many sets contain a host, at the cost of one lookup.
///
/// Stores for each entry a part of its fingerprint and the index of its set, eight bytes, sorted by fingerprint and
/// grouped in buckets by the first bits. Candidates are then looked up in their sets.
struct HostIndex: Sendable {
    private struct Entry {
        let fingerprintTail: UInt32
        let set: UInt32
    }

    private let sets: [HostSet]
    /// The sets with patterns, which are always candidates.
    private let setsWithPatterns: [Int]
    private let entries: [Entry]
    /// The index of the first entry of each bucket, and the end of the last.
    private let bucketStarts: [UInt32]
    /// How far a fingerprint is shifted to give its bucket.
    private let shift: UInt64

    /// - Parameter sets: with fewer than 2^32 entries in total.
    init(_ sets: [HostSet]) {
        self.sets = sets
        setsWithPatterns = sets.indices.filter { !sets[$0].globs.isEmpty }
        let count = sets.reduce(0) { $0 + $1.names.count + $1.domains.count }
        var bits: UInt64 = 1
        while 1 << bits < count { bits += 1 }
        let shift = 64 - bits
        // A counting sort: count the entries of each bucket, sum up where each begins, then place the entries.
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

    /// Calls `body` with the index of each set that contains a host, possibly more than once.
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
