import Wire

/// The body of a PUT, decoded as Argus decodes it: keys are case-insensitive, unknown ones ignored.
struct PutBody {
    /// Why Argus refuses a body; the texts are its own (Argus 0.9, store/inputValidation).
    enum Refusal: String, Error {
        case unreadable = "Failed to unmarshal json payload."
        case noData = "Data field must be set in payload."
        case tooDeep = "Depth of item data JSON is too large."
        case otherID = "IDs must match between the URL and payload."
    }

    /// The maximum depth of nested objects.
    static let maximumDepth = 30

    private(set) var id = ""
    private(set) var data: [UInt8] = []
    /// In seconds; nil for the default.
    private(set) var ttl: Int64?
    private var depth = 0

    /// Decodes the body for an item with this id.
    init(_ bytes: [UInt8], id expected: String) throws(Refusal) {
        do {
            self = try JSONReader.read(bytes) { reader in
                var body = PutBody()
                if try reader.takeNull() { return body }
                try reader.object { reader, key in try body.read(key, &reader) }
                return body
            }
        } catch {
            throw .unreadable
        }
        guard !data.isEmpty else { throw .noData }
        guard depth <= Self.maximumDepth else { throw .tooDeep }
        guard id == expected else { throw .otherID }
    }

    private init() {}

    private mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws {
        if key.matches("id") {
            if try !reader.takeNull() { id = try reader.string() }
        } else if key.matches("data") {
            data = []
            guard try !reader.takeNull() else { return }
            var measured = reader
            guard let depth = try Self.depth(of: &measured) else {
                try reader.skip()
                return
            }
            self.depth = depth
            try reader.copyCompact(to: &data)
        } else if key.matches("ttl") {
            if try !reader.takeNull() { ttl = try reader.integer() }
        } else {
            try reader.skip()
        }
    }

    /// Returns the depth of nested objects, including this one; nil if it is empty. Arrays and their elements do not
    /// count. Stops at the limit.
    private static func depth(of reader: inout JSONReader, level: Int = 1) throws -> Int? {
        var depthFound: Int?
        try reader.object { reader, _ in
            depthFound = max(depthFound ?? level, level)
            if level <= maximumDepth, try reader.kind() == .object {
                depthFound = max(depthFound ?? level, try depth(of: &reader, level: level + 1) ?? level + 1)
            } else {
                try reader.skip()
            }
        }
        return depthFound
    }
}
