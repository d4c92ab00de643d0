public import Wire

/// One message on its way through a pipeline: a value that stages read and replace, never share. Copies stand in one place until
/// one of them is changed, so that handing a message on costs no more than a pointer.
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

    /// Where copies stand: never changed, so that it can be shared.
    private final class Storage: Sendable {
        let fields: Fields
        init(_ fields: Fields) { self.fields = fields }
    }

    private var storage: Storage
    private var fields: Fields {
        get { storage.fields }
        set { storage = Storage(newValue) }
    }

    /// Who the message is: the sender's id where it has one (for SNS its MessageId).
    public var id: String {
        get { storage.fields.id }
        set { fields.id = newValue }
    }
    /// What order is kept by, and what a sink replaces: messages of one key are never overtaken by each other.
    public var key: String {
        get { storage.fields.key }
        set { fields.key = newValue }
    }
    /// The content.
    public var payload: any Payload {
        get { storage.fields.payload }
        set { fields.payload = newValue }
    }
    /// Where it was published, such as a topic's ARN; empty where there is no such thing.
    public var topic: String {
        get { storage.fields.topic }
        set { fields.topic = newValue }
    }
    /// The publisher's attributes.
    public var attributes: [String: String] {
        get { storage.fields.attributes }
        set { fields.attributes = newValue }
    }
    /// When it was published, by the publisher's clock; nil where nobody said.
    public var publishedAt: Timestamp? {
        get { storage.fields.publishedAt }
        set { fields.publishedAt = newValue }
    }
    /// When this process took it.
    public var receivedAt: Timestamp {
        get { storage.fields.receivedAt }
        set { fields.receivedAt = newValue }
    }

    /// A message; its key is its id unless another is given.
    public init(
        id: String, key: String? = nil, payload: any Payload, topic: String = "", attributes: [String: String] = [:],
        publishedAt: Timestamp? = nil, receivedAt: Timestamp
    ) {
        storage = Storage(
            Fields(
                id: id, key: key ?? id, payload: payload, topic: topic, attributes: attributes,
                publishedAt: publishedAt, receivedAt: receivedAt))
    }

    /// When the message began to count: publication where known, else reception.
    public var originatedAt: Timestamp { publishedAt ?? receivedAt }
}

/// What a message carries. Most messages carry bytes; a transform may produce something more specific, such as an item
/// of a store, that a sink then takes without parsing again.
public protocol Payload: Sendable {
    /// What stages say they take and make, so that a pipeline that cannot work is refused before it starts.
    static var kind: PayloadKind { get }

    /// The content as bytes, for whoever does not know the type. Whatever depends on time is worked out for `now`.
    func bytes(at now: Timestamp) -> [UInt8]

    /// Whether the content has lost its meaning at `now` and must not be written any more.
    func isExpired(at now: Timestamp) -> Bool

    /// Which of two contents published at the same time is the newer: the one with the later precedence. nil where there is
    /// nothing to tell.
    var precedence: Timestamp? { get }
}

extension Payload {
    /// Content that does not age.
    public func isExpired(at now: Timestamp) -> Bool { false }
    /// Nothing to tell.
    public var precedence: Timestamp? { nil }
}

/// The name of a type of payload.
public struct PayloadKind: Hashable, Sendable, CustomStringConvertible {
    /// The name as it stands in messages, such as `bytes`.
    public let description: String

    /// A kind by its name.
    public init(_ name: String) { description = name }

    /// Plain bytes, what every source makes.
    public static let bytes = PayloadKind("bytes")
}

/// A payload that is nothing but bytes.
public struct Bytes: Payload {
    /// `bytes`.
    public static let kind = PayloadKind.bytes
    /// The content.
    public let value: [UInt8]

    /// A payload of these bytes.
    public init(_ value: [UInt8]) { self.value = value }

    /// The content, whatever the time.
    public func bytes(at now: Timestamp) -> [UInt8] { value }
}
