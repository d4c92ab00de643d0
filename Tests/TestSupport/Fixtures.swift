package import Foundation

/// Files that tests read.
package enum Fixtures {
    /// A file of Tests/Fixtures, or the one that an environment variable names.
    package static func data(_ name: String, orFrom variable: String) throws -> Data {
        if let path = ProcessInfo.processInfo.environment[variable], !path.isEmpty {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        }
        return try Data(contentsOf: directory.appendingPathComponent(name))
    }

    /// Tests/Fixtures.
    package static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .appendingPathComponent("Fixtures")
}

/// Any JSON, for comparing what is equal as values but not as bytes.
package enum JSONValue: Equatable, Decodable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    package init(parsing bytes: some Sequence<UInt8>) throws {
        self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
    }

    package subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }
}
