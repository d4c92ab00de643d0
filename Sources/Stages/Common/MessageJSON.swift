import PipelineKit
import Wire

/// A message as JSON, for whoever gets it outside: other programs, and people.
enum MessageJSON {
    /// `{"id", "key", "topic", "attributes", "publishedAt", "receivedAt", "payload"}`: the payload as the JSON that it is, as a
    /// string where it is other text, and in base 64 as `payloadBase64` where it is no text.
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

    /// One line, with its end.
    static func line(_ message: Message, at now: Timestamp) -> [UInt8] {
        var line = tree(of: message, at: now).bytes
        line.append(UInt8(ascii: "\n"))
        return line
    }
}
