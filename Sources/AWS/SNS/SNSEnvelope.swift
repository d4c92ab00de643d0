import Wire

/// What SNS posts to an HTTP endpoint: a notification, or a message about the subscription itself.
///
/// Source: Amazon SNS developer guide, "HTTP/HTTPS notification JSON format". Keys count in their exact spelling.
public struct SNSEnvelope: Sendable, Equatable {
    /// What it is about.
    public enum Kind: String, Sendable {
        /// A message published to the topic.
        case notification = "Notification"
        /// The endpoint is to be confirmed with the token.
        case subscriptionConfirmation = "SubscriptionConfirmation"
        /// The subscription has ended.
        case unsubscribeConfirmation = "UnsubscribeConfirmation"
    }

    /// What it is about.
    public var kind: Kind
    /// Its id, the same when it comes again.
    public var messageID = ""
    /// The topic.
    public var topicARN = ""
    /// The message's subject.
    public var subject: String?
    /// The message.
    public var message = ""
    /// When it was published, as it is written; a part of what is signed.
    public var timestamp = ""
    /// `1` or `2`.
    public var signatureVersion = ""
    /// The signature, base 64.
    public var signature = ""
    /// Where the sender says its certificate is. Not to be trusted.
    public var signingCertURL = ""
    /// The token of a confirmation.
    public var token: String?
    /// Where a confirmation could be fetched; never used, but a part of what is signed.
    public var subscribeURL: String?
    /// The publisher's attributes; binary ones in base 64. They are not covered by the signature.
    public var attributes: [String: String] = [:]

    /// The most attributes that are read; SNS itself sends no more than fit into 256 KiB.
    static let maximumAttributes = 100

    /// Reads an envelope.
    ///
    /// - Throws: `EnvelopeError` where it is none.
    public init(json: [UInt8]) throws {
        kind = .notification
        var type: String?
        var hasMessage = false
        do {
            try JSONReader.read(json) { reader in
                try reader.object { reader, key in
                    if key.equals("Type") {
                        type = try reader.string()
                    } else if key.equals("Message") {
                        message = try reader.string()
                        hasMessage = true
                    } else if key.equals("MessageId") {
                        messageID = try reader.string()
                    } else if key.equals("TopicArn") {
                        topicARN = try reader.string()
                    } else if key.equals("Timestamp") {
                        timestamp = try reader.string()
                    } else if key.equals("SignatureVersion") {
                        signatureVersion = try reader.string()
                    } else if key.equals("Signature") {
                        signature = try reader.string()
                    } else if key.equals("SigningCertURL") {
                        signingCertURL = try reader.string()
                    } else if key.equals("Subject") {
                        if try !reader.takeNull() { subject = try reader.string() }
                    } else if key.equals("Token") {
                        token = try reader.string()
                    } else if key.equals("SubscribeURL") {
                        subscribeURL = try reader.string()
                    } else if key.equals("MessageAttributes") {
                        try readAttributes(&reader)
                    } else {
                        try reader.skip()
                    }
                }
            }
        } catch let error as JSONError {
            throw EnvelopeError("the body is not an SNS envelope: \(error)")
        }
        guard let type, let kind = Kind(rawValue: type) else {
            throw EnvelopeError("the body is not an SNS envelope: its Type is none that is known")
        }
        self.kind = kind
        guard !messageID.isEmpty, !topicARN.isEmpty, hasMessage else {
            throw EnvelopeError("the body is not an SNS envelope: MessageId, TopicArn or Message is missing")
        }
        guard kind == .notification || token != nil else {
            throw EnvelopeError("the body is not an SNS envelope: Token is missing")
        }
    }

    private mutating func readAttributes(_ reader: inout JSONReader) throws {
        if try reader.takeNull() { return }
        try reader.object { reader, key in
            let name = key.text
            try reader.object { reader, key in
                if key.equals("Value"), try reader.kind() == .string {
                    attributes[name] = try reader.string()
                } else {
                    try reader.skip()
                }
            }
            guard attributes.count <= Self.maximumAttributes else {
                throw EnvelopeError("the envelope has more than \(Self.maximumAttributes) message attributes")
            }
        }
    }
}

/// Why a body is no envelope.
public struct EnvelopeError: Error, Equatable, CustomStringConvertible {
    /// The reason, for people.
    public let description: String

    init(_ reason: String) { description = reason }
}
