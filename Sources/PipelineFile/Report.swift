public import PipelineKit

/// What is to be said about some files, with the lines it is said about.
public struct Report: Sendable {
    /// Everything found.
    public var diagnostics = Diagnostics()
    /// The files' texts by path.
    var texts: [String: String] = [:]

    /// Takes over another report.
    public mutating func append(_ other: Report) {
        diagnostics.append(contentsOf: other.diagnostics.all)
        texts.merge(other.texts) { $1 }
    }

    /// Whether there is an error.
    public var hasErrors: Bool { diagnostics.hasErrors }

    /// The diagnostics as a compiler writes them: `file:line:column: error: message`, the line, a caret under the place.
    /// Empty where there is nothing to say. What looks like a secret in a line is not shown.
    public var description: String {
        // A mistake in a file that several others extend is told once.
        diagnostics.all.reduce(into: [Diagnostic]()) { if !$0.contains($1) { $0.append($1) } }
            .enumerated()
            .map { (location: $1.location ?? SourceLocation(file: "", line: 0, column: 0), order: $0, diagnostic: $1) }
            .sorted { ($0.location, $0.order) < ($1.location, $1.order) }
            .map { describe($0.diagnostic) }
            .joined(separator: "\n")
    }

    private func describe(_ diagnostic: Diagnostic) -> String {
        guard let location = diagnostic.location else {
            return "\(diagnostic.severity.rawValue): \(diagnostic.message)"
        }
        let head =
            "\(location.file):\(location.line):\(location.column): \(diagnostic.severity.rawValue): \(diagnostic.message)"
        guard let line = line(location) else { return head }
        let number = "\(location.line)"
        let shown = Self.masked(line).prefix(160)
        let before = shown.prefix(location.column - 1).map { $0 == "\t" ? "\t" : " " }.joined()
        let length = max(1, min(location.length, shown.count - location.column + 1))
        let caret = "^" + String(repeating: "~", count: length - 1)
        let margin = String(repeating: " ", count: number.count)
        return "\(head)\n  \(number) | \(shown)\n  \(margin) | \(before)\(caret)"
    }

    private func line(_ location: SourceLocation) -> Substring? {
        guard let text = texts[location.file] else { return nil }
        // What ends a line for YAML; a carriage return and a newline are one character.
        let ends: Set<Character> = ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
        let lines = text.split(maxSplits: location.line, omittingEmptySubsequences: false) { ends.contains($0) }
        return location.line <= lines.count ? lines[location.line - 1] : nil
    }

    private static let secretWords = [
        "secret", "passw", "token", "basic", "bearer", "credential", "accesskey", "apikey", "private", "authorization",
    ]

    /// Whether a key's name says that its value is secret.
    static func soundsSecret(_ key: String) -> Bool {
        let bytes = lowercased(key.utf8)
        return secretWords.contains { bytes.firstRange(of: $0.utf8) != nil }
            && !bytes.reversed().starts(with: "di".utf8)
    }

    /// Bytes in their places, with ASCII's capital letters small.
    private static func lowercased(_ text: some Sequence<UInt8>) -> [UInt8] {
        text.map { (65...90).contains($0) ? $0 | 0x20 : $0 }
    }

    /// The line without the value of any key that sounds like a secret: a mistake may stand right beside one.
    static func masked(_ line: Substring) -> String {
        // By bytes: whatever stands beside a word, it is found.
        let bytes = Array(line.utf8)
        let lower = lowercased(bytes)
        let colons = secretWords.compactMap { word in
            lower.firstRange(of: word.utf8).flatMap { lower[$0.upperBound...].firstIndex(of: UInt8(ascii: ":")) }
        }
        guard let colon = colons.min(),
            String(decoding: bytes[(colon + 1)...], as: UTF8.self).contains(where: { !$0.isWhitespace })
        else { return String(line) }
        return String(decoding: bytes[...colon], as: UTF8.self) + " …"
    }
}
