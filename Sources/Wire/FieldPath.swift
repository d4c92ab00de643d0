/// The path of a field in a JSON record, such as `config.url`, `matcher.device_id[0]` or `receivers[*].url`.
///
/// Finds what a Go program finds in that field: keys are case-insensitive, the last duplicate that is not null wins,
/// and of an array of records the first is used. So a filter sees the URL that later becomes the item, however oddly
/// the record is written.
public struct FieldPath: Sendable, Hashable, CustomStringConvertible {
    fileprivate enum Part: Sendable, Hashable {
        /// The member with a name, given as a range of `names`.
        case name(from: Int, to: Int)
        /// The element with an index.
        case element(Int)
        case every
    }

    /// The path as it was written.
    public let description: String
    /// The names in the path as they were written; indexes in brackets.
    public let segments: [String]
    private let parts: [Part]
    /// All names, case-folded and concatenated. Apart from the parts, so that following the path retains nothing.
    private let names: [UInt8]

    /// Parses a path of names separated by dots, each optionally followed by `[*]` or `[0]`; nil if it is malformed.
    public init?(_ text: String) {
        var parts: [Part] = []
        var names: [UInt8] = []
        var segments: [String] = []
        for piece in text.split(separator: ".", omittingEmptySubsequences: false) {
            let name = piece.prefix { $0 != "[" }
            guard !name.isEmpty, !name.contains("]") else { return nil }
            let start = names.count
            names += JSONKey.fold(String(name))
            parts.append(.name(from: start, to: names.count))
            segments.append(String(name))
            var rest = piece.dropFirst(name.count)
            while !rest.isEmpty {
                guard rest.first == "[", let end = rest.firstIndex(of: "]") else { return nil }
                let index = rest[rest.index(after: rest.startIndex)..<end]
                if index == "*" {
                    parts.append(.every)
                } else if let number = Int(index), number >= 0, index.allSatisfy(\.isNumber) {
                    parts.append(.element(number))
                } else {
                    return nil
                }
                segments.append("[\(index)]")
                rest = rest[rest.index(after: end)...]
            }
        }
        guard parts.count <= 32 else { return nil }
        description = text
        self.parts = parts
        self.names = names
        self.segments = segments
    }

    /// The value of a field for a filter.
    public enum Value: Equatable, Sendable {
        /// A string, or a number or boolean as it was written.
        case text(String)
        /// An array, or what `[*]` collects: strings, numbers and booleans, without nested arrays and objects.
        case list([String])
        /// An object, whose content is ignored.
        case object
    }

    /// Returns the field's value in a JSON text; nil if there is none.
    ///
    /// - Throws: `JSONError` if the text is not JSON.
    public func value(in json: [UInt8]) throws -> Value? {
        try parts.withUnsafeBufferPointer { parts in
            try names.withUnsafeBufferPointer { names in
                let cursor = Cursor(parts: parts, names: names)
                return try JSONReader.read(json) { reader in
                    var found: Value?
                    if try reader.kind() == .array {
                        try reader.array { reader, index in
                            if index == 0 {
                                try cursor.descend(&reader, level: 0, into: &found)
                            } else {
                                try reader.skip()
                            }
                        }
                    } else {
                        try cursor.descend(&reader, level: 0, into: &found)
                    }
                    return found
                }
            }
        }
    }

    /// Returns the field's text; nil for anything but one text.
    public func text(in json: [UInt8]) throws -> String? {
        if case .text(let text) = try value(in: json) { text } else { nil }
    }

    /// The position in the path while a text is read.
    fileprivate struct Cursor {
        let parts: UnsafeBufferPointer<Part>
        let names: UnsafeBufferPointer<UInt8>
    }
}

extension FieldPath.Cursor {
    fileprivate func descend(_ reader: inout JSONReader, level: Int, into found: inout FieldPath.Value?) throws {
        guard level < parts.count else {
            if let value = try Self.take(&reader) { found = value }
            return
        }
        switch (parts[level], try reader.kind()) {
        case (.name(let start, let end), .object):
            let name = UnsafeBufferPointer(rebasing: names[start..<end])
            try reader.object { reader, key in
                if key.matches(lowercased: name) {
                    try descend(&reader, level: level + 1, into: &found)
                } else {
                    try reader.skip()
                }
            }
        case (.element(let wanted), .array):
            try reader.array { reader, index in
                if index == wanted { try descend(&reader, level: level + 1, into: &found) } else { try reader.skip() }
            }
        case (.every, .array):
            var gathered: [String] = []
            var hasObject = false
            try reader.array { reader, _ in
                var element: FieldPath.Value?
                try descend(&reader, level: level + 1, into: &element)
                switch element {
                case .text(let text): gathered.append(text)
                case .list(let texts): gathered += texts
                case .object: hasObject = true
                case nil: break
                }
            }
            if !gathered.isEmpty { found = .list(gathered) } else if hasObject { found = .object }
        default: try reader.skip()
        }
    }

    private static func take(_ reader: inout JSONReader) throws -> FieldPath.Value? {
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
