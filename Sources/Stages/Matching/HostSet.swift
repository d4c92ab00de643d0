import PipelineKit

/// A set of host names and patterns. A name and `*.name` are looked up by hash, so that ten thousand cost no more than
/// ten.
final class HostSet: Sendable {
    let names: Set<String>
    let domains: Set<String>
    let globs: [Glob]

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

    /// Makes the union of sets.
    init(union sets: [HostSet]) {
        names = sets.reduce(into: []) { $0.formUnion($1.names) }
        domains = sets.reduce(into: []) { $0.formUnion($1.domains) }
        globs = sets.flatMap(\.globs)
    }

    /// Returns whether the set contains a host. `*.name` does not match `name` itself.
    func contains(_ host: HostName) -> Bool {
        if names.contains(host.name) { return true }
        if !domains.isEmpty {
            for parent in host.parents where domains.contains(host.text(of: parent)) { return true }
        }
        return !globs.isEmpty && globs.contains { $0.matches(host.name) }
    }
}
