import Wire

/// Writes payloads as lines of JSON Lines files.
enum JSONLine {
    /// Appends a payload and a line end: JSON is compacted to one line; other content with line breaks becomes a JSON
    /// string.
    static func append(_ bytes: [UInt8], to output: inout [UInt8]) {
        if bytes.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            var compact: [UInt8] = []
            do {
                try JSONReader.read(bytes) { try $0.copyCompact(to: &compact) }
                output.append(contentsOf: compact)
            } catch {
                JSONWriter.append(string: bytes.text, to: &output)
            }
        } else {
            output.append(contentsOf: bytes)
        }
        output.append(UInt8(ascii: "\n"))
    }
}
