import Foundation
import GRDB
import PipelineKit
import Wire

/// A message as a row: the columns that the spool and the dead letters share.
enum MessageRow {
    static let definition = """
        id TEXT NOT NULL, key TEXT NOT NULL, topic TEXT NOT NULL, attributes TEXT NOT NULL,
        published_s INTEGER, published_ns INTEGER, received_s INTEGER NOT NULL, received_ns INTEGER NOT NULL,
        payload BLOB NOT NULL
        """
    static let columns = "id, key, topic, attributes, published_s, published_ns, received_s, received_ns, payload"
    static let places = "?, ?, ?, ?, ?, ?, ?, ?, ?"

    static func arguments(_ message: Message, payload: [UInt8]) -> StatementArguments {
        [
            message.id, message.key, message.topic, text(of: message.attributes), message.publishedAt?.seconds,
            message.publishedAt.map { Int($0.nanoseconds) }, message.receivedAt.seconds,
            Int(message.receivedAt.nanoseconds),
            Data(payload),
        ]
    }

    static func message(_ row: Row) throws -> Message {
        let payload: Data = row["payload"]
        let seconds: Int64? = row["published_s"]
        return Message(
            id: row["id"], key: row["key"], payload: Bytes([UInt8](payload)), topic: row["topic"],
            attributes: try attributes(of: row["attributes"]),
            publishedAt: seconds.map { timestamp($0, row["published_ns"] ?? 0) },
            receivedAt: timestamp(row["received_s"], row["received_ns"]))
    }

    static func timestamp(_ seconds: Int64, _ nanoseconds: Int) -> Timestamp {
        Timestamp(seconds: seconds, nanoseconds: Int32(max(0, min(nanoseconds, 999_999_999))))
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
