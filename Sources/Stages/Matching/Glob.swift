/// A pattern in which `*` stands for any characters and `?` for one. The time it takes grows with pattern times text, never
/// faster, whatever the text.
struct Glob: Sendable {
    private let pattern: [Character]

    init(_ pattern: String) { self.pattern = Array(pattern) }

    func matches(_ text: String) -> Bool {
        let text = Array(text)
        var patternIndex = 0
        var textIndex = 0
        var star: (pattern: Int, text: Int)?
        while textIndex < text.count {
            if patternIndex < pattern.count, pattern[patternIndex] == "*" {
                star = (patternIndex, textIndex)
                patternIndex += 1
            } else if patternIndex < pattern.count,
                pattern[patternIndex] == "?" || pattern[patternIndex] == text[textIndex]
            {
                patternIndex += 1
                textIndex += 1
            } else if let last = star {
                // The last star takes one character more.
                star = (last.pattern, last.text + 1)
                patternIndex = last.pattern + 1
                textIndex = last.text + 1
            } else {
                return false
            }
        }
        return pattern[patternIndex...].allSatisfy { $0 == "*" }
    }
}

/// Host names and patterns. A name and `*.name` are looked up, so that a list of ten thousand costs no more than one of ten.
struct HostSet: Sendable {
    private var names: Set<String> = []
    private var domains: Set<String> = []
    private var globs: [Glob] = []

    init(_ patterns: [String]) {
        for pattern in patterns.map({ $0.lowercased() }) {
            if !pattern.contains("*"), !pattern.contains("?") {
                names.insert(pattern)
            } else if pattern.hasPrefix("*."), !pattern.dropFirst(2).contains("*"), !pattern.contains("?") {
                domains.insert(String(pattern.dropFirst(2)))
            } else {
                globs.append(Glob(pattern))
            }
        }
    }

    /// Takes over the hosts of another.
    mutating func formUnion(_ other: HostSet) {
        names.formUnion(other.names)
        domains.formUnion(other.domains)
        globs += other.globs
    }

    /// Whether a host is in the set. `*.name` does not include `name` itself.
    func contains(_ host: HostName) -> Bool {
        if names.contains(host.name) { return true }
        if !domains.isEmpty, host.domains.contains(where: { domains.contains($0) }) { return true }
        return globs.contains { $0.matches(host.name) }
    }
}

/// A host taken apart once, for many sets to look it up.
struct HostName: Sendable {
    /// In lower case.
    let name: String
    /// The domains it lies in, the nearest first.
    let domains: [String]

    /// - Parameter name: in lower case.
    init(_ name: String) {
        self.name = name
        var domains: [String] = []
        var rest = Substring(name)
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            domains.append(String(rest))
        }
        self.domains = domains
    }

    /// The host of a URL; nil where it has none.
    init?(url: String) {
        guard let host = URLHost.of(url) else { return nil }
        self.init(host)
    }
}
