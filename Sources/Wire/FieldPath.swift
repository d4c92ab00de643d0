/// The way to a field of a JSON record, as in `config.url` or `matcher.device_id`.
///
/// It finds what a Go program sees in that field: keys match without regard to case, of several occurrences the last
/// that is not null counts, and where the record is an array its first element counts. So a filter sees the same URL
/// that later becomes the item, however oddly the record is written.
public struct FieldPath: Sendable, Hashable, CustomStringConvertible {
    /// The path as it was written.
    public let description: String
    private let names: [[UInt8]]

    /// A path of one or more names, separated by dots; nil where a name is empty.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        description = text
        names = parts.map { JSONKey.fold(String($0)) }
    }

    /// The values a field can have for a filter.
    public enum Value: Equatable, Sendable {
        /// A string, or a number or boolean as it was written.
        case text(String)
        /// An array: its strings, numbers and booleans; nested arrays and objects are left out.
        case list([String])
        /// An object, of which only the presence is known.
        case object
    }

    /// The field's value in a JSON text, nil where there is none.
    ///
    /// - Throws: `JSONError` where the text is not JSON.
    public func value(in json: [UInt8]) throws -> Value? {
        try JSONReader.read(json) { reader in
            var found: Value?
            if try reader.kind() == .array {
                try reader.array { reader, index in
                    if index == 0 { try descend(&reader, level: 0, into: &found) } else { try reader.skip() }
                }
            } else {
                try descend(&reader, level: 0, into: &found)
            }
            return found
        }
    }

    /// As `value(in:)`, for a field that is one piece of text; nil for anything else.
    public func text(in json: [UInt8]) throws -> String? {
        if case .text(let text) = try value(in: json) { text } else { nil }
    }

    private func descend(_ reader: inout JSONReader, level: Int, into found: inout Value?) throws {
        if level == names.count {
            if let value = try Self.take(&reader) { found = value }
            return
        }
        guard try reader.kind() == .object else {
            try reader.skip()
            return
        }
        try reader.object { reader, key in
            if names[level].withUnsafeBufferPointer({ key.matches(lowercased: $0) }) {
                try descend(&reader, level: level + 1, into: &found)
            } else {
                try reader.skip()
            }
        }
    }

    private static func take(_ reader: inout JSONReader) throws -> Value? {
        switch try reader.kind() {
        case .string: return .text(try reader.string())
        case .number: return .text(try reader.number())
        case .bool: return .text(try reader.bool() ? "true" : "false")
        case .null:
            _ = try reader.takeNull()
            return nil
        case .object:
            try reader.skip()
            return .object
        case .array:
            var list: [String] = []
            try reader.array { reader, _ in
                switch try reader.kind() {
                case .object, .array: try reader.skip()
                default: if case .text(let text) = try take(&reader) { list.append(text) }
                }
            }
            return .list(list)
        }
    }
}
