public import PipelineKit

/// The diagnostics of files, with the lines that they refer to.
public struct Report: Sendable {
    public var diagnostics = Diagnostics()
    /// The texts of the files by path.
    var texts: [String: String] = [:]

    /// Appends another report.
    public mutating func append(_ other: Report) {
        diagnostics.append(contentsOf: other.diagnostics.all)
        texts.merge(other.texts) { $1 }
    }

    public var hasErrors: Bool { diagnostics.hasErrors }

    /// The diagnostics in the format of compilers: `file:line:column: error: message`, the line, and a caret. Empty
    /// without diagnostics. Hides values that look like secrets.
    public var description: String {
        // An error in a shared base file is reported once.
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
        // The line ends of YAML; CR LF is one Character.
        let ends: Set<Character> = ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]
        let lines = text.split(maxSplits: location.line, omittingEmptySubsequences: false) { ends.contains($0) }
        return location.line <= lines.count ? lines[location.line - 1] : nil
    }

    private static let secretWords = [
        "secret", "passw", "token", "basic", "bearer", "credential", "accesskey", "apikey", "private", "authorization",
    ]

    /// Returns whether a key sounds like a secret.
    static func soundsSecret(_ key: String) -> Bool {
        let bytes = lowercased(key.utf8)
        return secretWords.contains { bytes.firstRange(of: $0.utf8) != nil }
            && !bytes.reversed().starts(with: "di".utf8)
    }

    /// Returns the bytes with ASCII letters in lower case.
    private static func lowercased(_ text: some Sequence<UInt8>) -> [UInt8] {
        text.map { (65...90).contains($0) ? $0 | 0x20 : $0 }
    }

    /// Masks the values of keys that sound like a secret, because an error may be next to one.
    static func masked(_ line: Substring) -> String {
        // By bytes, so that combining characters cannot hide a word.
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
