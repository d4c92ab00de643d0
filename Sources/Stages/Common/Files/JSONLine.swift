import Wire

/// A payload as one line of a JSON Lines file.
enum JSONLine {
    /// Appends the bytes and a line end: JSON that spans lines is written on one, anything else that does as a JSON string.
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
