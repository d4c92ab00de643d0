import PipelineKit
import Wire

/// Masks the value of every key `secret` in JSON.
enum SecretMask {
    static func masked(_ json: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        do {
            try JSONReader.read(json) { try copy(&$0, to: &output) }
            return output
        } catch {
            // In other data a secret could be anywhere.
            return Array("(\(json.count) bytes that are not JSON)".utf8)
        }
    }

    private static func copy(_ reader: inout JSONReader, to output: inout [UInt8], depth: Int = 0) throws {
        guard depth < 64 else { return try reader.copyCompact(to: &output) }
        switch try reader.kind() {
        case .object:
            output.append(UInt8(ascii: "{"))
            var isFirst = true
            try reader.object { reader, key in
                if !isFirst { output.append(UInt8(ascii: ",")) }
                isFirst = false
                JSONWriter.append(string: key.text, to: &output)
                output.append(UInt8(ascii: ":"))
                if key.matches("secret") {
                    try reader.skip()
                    JSONWriter.append("\"[redacted]\"", to: &output)
                } else {
                    try copy(&reader, to: &output, depth: depth + 1)
                }
            }
            output.append(UInt8(ascii: "}"))
        case .array:
            output.append(UInt8(ascii: "["))
            try reader.array { reader, index in
                if index > 0 { output.append(UInt8(ascii: ",")) }
                try copy(&reader, to: &output, depth: depth + 1)
            }
            output.append(UInt8(ascii: "]"))
        default: try reader.copyCompact(to: &output)
        }
    }
}
