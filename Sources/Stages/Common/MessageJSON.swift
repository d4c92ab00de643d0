import PipelineKit
import Wire

/// A message as JSON, for other programs and people.
enum MessageJSON {
    /// Returns `{"id", "key", "topic", "attributes", "publishedAt", "receivedAt", "payload"}`. The payload is embedded
    /// if it is JSON, a string if it is other text, and base 64 in `payloadBase64` if it is no text.
    static func tree(of message: Message, at now: Timestamp) -> JSONTree {
        var members: [JSONTree.Member] = [
            .init("id", .string(message.id)), .init("key", .string(message.key)),
        ]
        if !message.topic.isEmpty { members.append(.init("topic", .string(message.topic))) }
        let attributes = message.attributes.sorted { $0.key < $1.key }
        members.append(.init("attributes", .object(attributes.map { .init($0.key, .string($0.value)) })))
        if let published = message.publishedAt {
            members.append(.init("publishedAt", .string(RFC3339.format(published))))
        }
        members.append(.init("receivedAt", .string(RFC3339.format(message.receivedAt))))
        let bytes = message.payload.bytes(at: now)
        if let tree = try? JSONTree(parsing: bytes) {
            members.append(.init("payload", tree))
        } else if let text = String(validating: bytes, as: UTF8.self) {
            members.append(.init("payload", .string(text)))
        } else {
            members.append(.init("payloadBase64", .string(Base64.encode(bytes))))
        }
        return .object(members)
    }

    /// Returns one line with its line end.
    static func line(_ message: Message, at now: Timestamp) -> [UInt8] {
        var line = tree(of: message, at: now).bytes
        line.append(UInt8(ascii: "\n"))
        return line
    }
}
