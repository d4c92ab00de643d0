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
            .map { (place: $1.location ?? SourceLocation(file: "", line: 0, column: 0), order: $0, diagnostic: $1) }
            .sorted { ($0.place, $0.order) < ($1.place, $1.order) }
            .map { describe($0.diagnostic) }
            .joined(separator: "\n")
    }

    private func describe(_ diagnostic: Diagnostic) -> String {
        guard let place = diagnostic.location else { return "\(diagnostic.severity.rawValue): \(diagnostic.message)" }
        let head = "\(place.file):\(place.line):\(place.column): \(diagnostic.severity.rawValue): \(diagnostic.message)"
        guard let line = line(place) else { return head }
        let number = "\(place.line)"
        let shown = Self.masked(line).prefix(160)
        let before = shown.prefix(place.column - 1).map { $0 == "\t" ? "\t" : " " }.joined()
        let length = max(1, min(place.length, shown.count - place.column + 1))
        let caret = "^" + String(repeating: "~", count: length - 1)
        let margin = String(repeating: " ", count: number.count)
        return "\(head)\n  \(number) | \(shown)\n  \(margin) | \(before)\(caret)"
    }

    private func line(_ place: SourceLocation) -> Substring? {
        guard let text = texts[place.file] else { return nil }
        let lines = text.split(separator: "\n", maxSplits: place.line, omittingEmptySubsequences: false)
        return place.line <= lines.count ? lines[place.line - 1] : nil
    }

    private static let secretWords = [
        "secret", "passw", "token", "basic", "bearer", "credential", "accesskey", "apikey", "private", "authorization",
    ]

    /// Whether a key's name says that its value is secret.
    static func soundsSecret(_ key: String) -> Bool {
        let key = key.lowercased()
        return secretWords.contains { key.contains($0) } && !key.hasSuffix("id")
    }

    /// The line without the value of any key that sounds like a secret: a mistake may stand right beside one.
    static func masked(_ line: Substring) -> String {
        let text = String(line)
        let lower = text.lowercased()
        var cut = text.endIndex
        for word in secretWords {
            guard let found = lower.range(of: word), let colon = lower[found.upperBound...].firstIndex(of: ":") else {
                continue
            }
            let offset = lower.distance(from: lower.startIndex, to: colon)
            let place = text.index(text.startIndex, offsetBy: offset, limitedBy: text.endIndex) ?? text.endIndex
            cut = min(cut, place)
        }
        guard cut < text.endIndex, text[text.index(after: cut)...].contains(where: { !$0.isWhitespace }) else {
            return text
        }
        return text[...cut] + " …"
    }
}
