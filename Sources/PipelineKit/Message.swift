public import Wire

/// One message on its way through a pipeline: a value that stages read and replace, never share.
public struct Message: Sendable {
    /// Who the message is: the sender's id where it has one (for SNS its MessageId).
    public var id: String
    /// What order is kept by, and what a sink replaces: messages of one key are never overtaken by each other.
    public var key: String
    /// The content.
    public var payload: any Payload
    /// Where it was published, such as a topic's ARN; empty where there is no such thing.
    public var topic: String
    /// The publisher's attributes.
    public var attributes: [String: String]
    /// When it was published, by the publisher's clock; nil where nobody said.
    public var publishedAt: Timestamp?
    /// When this process took it.
    public var receivedAt: Timestamp

    /// A message; its key is its id unless another is given.
    public init(
        id: String, key: String? = nil, payload: any Payload, topic: String = "", attributes: [String: String] = [:],
        publishedAt: Timestamp? = nil, receivedAt: Timestamp
    ) {
        self.id = id
        self.key = key ?? id
        self.payload = payload
        self.topic = topic
        self.attributes = attributes
        self.publishedAt = publishedAt
        self.receivedAt = receivedAt
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
