import Wire

/// The fields of a webhook record, decoded as Go's `encoding/json` decodes a struct: keys are case-insensitive, the
/// last duplicate wins, objects with the same key merge, null changes nothing, unknown keys are ignored.
struct WebhookRecord {
    enum Duration {
        case absent
        case integer(Int64)
        case text(String)
    }

    enum Until {
        case absent
        case dateTime(RFC3339.DateTime)
        case epoch(Int64)
    }

    /// What Go writes for a time that was never set; readers treat it as unset.
    static let goZeroTime = RFC3339.DateTime(Timestamp(seconds: -62_135_596_800))

    var url = ""
    var contentType = ""
    var secret = ""
    var alternativeURLs: [String] = []
    var failureURL = ""
    var events: [String] = []
    var deviceIDs: [String] = []
    var registeredFromAddress = ""
    var duration = Duration.absent
    var until = Until.absent

    init(json: [UInt8]) throws {
        do {
            self = try JSONReader.read(json) { reader in
                var record = WebhookRecord()
                switch try reader.kind() {
                case .object: try record.readObject(&reader)
                case .array: try record.readArray(&reader)
                default: throw WebhookError("a webhook is an object or an array, \(try reader.kind().name) was found")
                }
                return record
            }
        } catch let error as JSONError {
            throw WebhookError("\(error)")
        }
    }

    private init() {}

    private mutating func readArray(_ reader: inout JSONReader) throws {
        var count = 0
        try reader.array { reader, index in
            count += 1
            var element = WebhookRecord()
            guard try !reader.takeNull() else { return }
            // Go decodes all elements before it uses the first, so a malformed one fails them all.
            try element.readObject(&reader)
            if case .epoch = element.until { throw WebhookError("a legacy record cannot stand in an array") }
            if index == 0 { self = element }
        }
        guard count > 0 else { throw WebhookError("the array is empty") }
    }

    private mutating func readObject(_ reader: inout JSONReader) throws {
        try reader.object { reader, key in
            if key.matches("config") {
                try readConfig(&reader)
            } else if key.matches("failure_url") {
                try Self.read("failure_url", &reader, into: &failureURL)
            } else if key.matches("events") {
                try Self.read("events", &reader, into: &events)
            } else if key.matches("matcher") {
                try readMatcher(&reader)
            } else if key.matches("duration") {
                try readDuration(&reader)
            } else if key.matches("until") {
                try readUntil(&reader)
            } else if key.matches("registered_from_address") {
                try Self.read("registered_from_address", &reader, into: &registeredFromAddress)
            } else {
                try reader.skip()
            }
        }
    }

    private mutating func readConfig(_ reader: inout JSONReader) throws {
        guard try !reader.takeNull() else { return }
        guard try reader.kind() == .object else { throw try Self.mismatch("config", "an object", &reader) }
        try reader.object { reader, key in
            if key.matches("url") {
                try Self.read("config.url", &reader, into: &url)
            } else if key.matches("content_type") {
                try Self.read("config.content_type", &reader, into: &contentType)
            } else if key.matches("secret") {
                try Self.read("config.secret", &reader, into: &secret)
            } else if key.matches("alt_urls") {
                try Self.read("config.alt_urls", &reader, into: &alternativeURLs)
            } else {
                try reader.skip()
            }
        }
    }

    private mutating func readMatcher(_ reader: inout JSONReader) throws {
        guard try !reader.takeNull() else { return }
        guard try reader.kind() == .object else { throw try Self.mismatch("matcher", "an object", &reader) }
        try reader.object { reader, key in
            if key.matches("device_id") {
                try Self.read("matcher.device_id", &reader, into: &deviceIDs)
            } else {
                try reader.skip()
            }
        }
    }

    private mutating func readDuration(_ reader: inout JSONReader) throws {
        switch try reader.kind() {
        case .null: _ = try reader.takeNull()
        case .string: duration = .text(try reader.string())
        case .number:
            let text = try reader.number()
            guard let value = Int64(text) else {
                throw WebhookError("duration is not a 64-bit integer: \(text.prefix(40))")
            }
            duration = .integer(value)
        default: throw try Self.mismatch("duration", "an integer or a string", &reader)
        }
    }

    private mutating func readUntil(_ reader: inout JSONReader) throws {
        switch try reader.kind() {
        case .null: _ = try reader.takeNull()
        case .string:
            guard let value = RFC3339.parse(try reader.string()) else {
                throw WebhookError("until is text but no RFC 3339 date-time such as \"2026-01-01T00:05:00Z\"")
            }
            until = .dateTime(value)
        case .number:
            let text = try reader.number()
            guard let value = Int64(text) else {
                throw WebhookError("until is not a 64-bit integer: \(text.prefix(40))")
            }
            until = .epoch(value)
        default: throw try Self.mismatch("until", "a date-time or epoch seconds", &reader)
        }
    }

    private static func read(_ field: String, _ reader: inout JSONReader, into text: inout String) throws {
        guard try !reader.takeNull() else { return }
        guard try reader.kind() == .string else { throw try mismatch(field, "a string", &reader) }
        text = try reader.string()
    }

    private static func read(_ field: String, _ reader: inout JSONReader, into list: inout [String]) throws {
        guard try !reader.takeNull() else {
            list = []
            return
        }
        guard try reader.kind() == .array else { throw try mismatch(field, "an array of strings", &reader) }
        var found: [String] = []
        try reader.array { reader, _ in
            var element = ""
            try read(field, &reader, into: &element)
            found.append(element)
        }
        list = found
    }

    private static func mismatch(_ field: String, _ expected: String, _ reader: inout JSONReader) throws -> WebhookError
    {
        WebhookError("\(field): \(expected) was expected, \(try reader.kind().name) was found")
    }
}
