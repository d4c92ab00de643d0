import Database
import PipelineKit
import Wire

/// The columns of a message, which the spool and the dead letters share.
enum MessageRow {
    static let definition = """
        id TEXT NOT NULL, key TEXT NOT NULL, topic TEXT NOT NULL, attributes TEXT NOT NULL,
        published_s INTEGER, published_ns INTEGER, received_s INTEGER NOT NULL, received_ns INTEGER NOT NULL,
        payload BLOB NOT NULL
        """
    static let columns = "id, key, topic, attributes, published_s, published_ns, received_s, received_ns, payload"
    static let placeholders = "?, ?, ?, ?, ?, ?, ?, ?, ?"

    /// Returns the values of a message's columns.
    static func values(_ message: Message, payload: [UInt8]) -> [Value] {
        [
            .text(message.id), .text(message.key), .text(message.topic), .text(text(of: message.attributes)),
            .integer(orNull: message.publishedAt?.seconds),
            .integer(orNull: message.publishedAt.map { Int64($0.nanoseconds) }), .integer(message.receivedAt.seconds),
            .integer(Int64(message.receivedAt.nanoseconds)), .blob(payload),
        ]
    }

    /// Reads a message from a row.
    ///
    /// - Parameter first: the index of the first column.
    static func message(_ row: borrowing Row, first: Int) throws -> Message {
        Message(
            id: row.text(first), key: row.text(first + 1), payload: Bytes(row.blob(first + 8)),
            topic: row.text(first + 2), attributes: try attributes(of: row.text(first + 3)),
            publishedAt: row.isNull(first + 4) ? nil : timestamp(row, first + 4),
            receivedAt: timestamp(row, first + 6))
    }

    /// Reads a time from a column with seconds and the next one with nanoseconds.
    static func timestamp(_ row: borrowing Row, _ column: Int) -> Timestamp {
        Timestamp(seconds: row.integer(column), nanoseconds: Int32(max(0, min(row.integer(column + 1), 999_999_999))))
    }

    private static func text(of attributes: [String: String]) -> String {
        guard !attributes.isEmpty else { return "" }
        let members = attributes.map { "\(JSONWriter.quoted($0.key)):\(JSONWriter.quoted($0.value))" }
        return "{\(members.joined(separator: ","))}"
    }

    private static func attributes(of text: String) throws -> [String: String] {
        guard !text.isEmpty else { return [:] }
        var result: [String: String] = [:]
        try JSONReader.read(Array(text.utf8)) { reader in
            try reader.object { reader, key in result[key.text] = try reader.string() }
        }
        return result
    }
}
