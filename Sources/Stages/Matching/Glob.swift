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

    /// Whether a host, in lower case, is in the set. `*.name` does not include `name` itself.
    func contains(_ host: String) -> Bool {
        if names.contains(host) { return true }
        if !domains.isEmpty {
            var rest = Substring(host)
            while let dot = rest.firstIndex(of: ".") {
                rest = rest[rest.index(after: dot)...]
                if domains.contains(String(rest)) { return true }
            }
        }
        return globs.contains { $0.matches(host) }
    }
}
