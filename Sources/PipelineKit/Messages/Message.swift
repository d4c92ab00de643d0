public import Wire

/// A message in a pipeline. A value: stages read and replace it, and never share it. Copies share storage until one of
/// them is changed, so that passing a message on costs no more than a pointer.
public struct Message: Sendable {
    private struct Fields: Sendable {
        var id: String
        var key: String
        var payload: any Payload
        var topic: String
        var attributes: [String: String]
        var publishedAt: Timestamp?
        var receivedAt: Timestamp
    }

    /// The storage that copies share. Immutable.
    private final class Storage: Sendable {
        let fields: Fields
        init(_ fields: Fields) { self.fields = fields }
    }

    private var storage: Storage
    private var fields: Fields {
        get { storage.fields }
        set { storage = Storage(newValue) }
    }

    /// The identity of the message: the sender's id if it has one (the MessageId of SNS).
    public var id: String {
        get { storage.fields.id }
        set { fields.id = newValue }
    }
    /// The key that orders messages and that a sink replaces by: messages of one key never overtake each other.
    public var key: String {
        get { storage.fields.key }
        set { fields.key = newValue }
    }
    public var payload: any Payload {
        get { storage.fields.payload }
        set { fields.payload = newValue }
    }
    /// Where the message was published, such as the ARN of a topic; empty if not applicable.
    public var topic: String {
        get { storage.fields.topic }
        set { fields.topic = newValue }
    }
    public var attributes: [String: String] {
        get { storage.fields.attributes }
        set { fields.attributes = newValue }
    }
    /// When the message was published, by the publisher's clock; nil if unknown.
    public var publishedAt: Timestamp? {
        get { storage.fields.publishedAt }
        set { fields.publishedAt = newValue }
    }
    /// When this process received the message.
    public var receivedAt: Timestamp {
        get { storage.fields.receivedAt }
        set { fields.receivedAt = newValue }
    }

    /// Makes a message. Its key is its id by default.
    public init(
        id: String, key: String? = nil, payload: any Payload, topic: String = "", attributes: [String: String] = [:],
        publishedAt: Timestamp? = nil, receivedAt: Timestamp
    ) {
        storage = Storage(
            Fields(
                id: id, key: key ?? id, payload: payload, topic: topic, attributes: attributes,
                publishedAt: publishedAt, receivedAt: receivedAt))
    }

    /// When the message originated: its publication if known, else its reception.
    public var originatedAt: Timestamp { publishedAt ?? receivedAt }
}
