import Wire

/// The body of a request of SNS to an HTTP endpoint: a notification, or a message about the subscription.
///
/// Source: Amazon SNS developer guide, "HTTP/HTTPS notification JSON format". Keys are case-sensitive.
public struct SNSEnvelope: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// A message published to the topic.
        case notification = "Notification"
        /// A request to confirm the subscription with the token.
        case subscriptionConfirmation = "SubscriptionConfirmation"
        /// The end of the subscription.
        case unsubscribeConfirmation = "UnsubscribeConfirmation"
    }

    public var kind: Kind
    /// The message id, the same for redeliveries.
    public var messageID = ""
    public var topicARN = ""
    public var subject: String?
    public var message = ""
    /// When it was published, as text, because it is signed.
    public var timestamp = ""
    /// `1` or `2`.
    public var signatureVersion = ""
    /// The signature in base 64.
    public var signature = ""
    /// The URL of the certificate, as given by the sender. Not trusted.
    public var signingCertURL = ""
    /// The token of a confirmation.
    public var token: String?
    /// The URL that would confirm the subscription. Never used, but signed.
    public var subscribeURL: String?
    /// The publisher's attributes; binary ones in base 64. Not signed.
    public var attributes: [String: String] = [:]

    /// The maximum number of attributes; SNS limits messages to 256 KiB.
    static let maximumAttributes = 100

    /// Parses an envelope.
    ///
    /// - Throws: `EnvelopeError` if it is malformed.
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
            throw EnvelopeError("the body is not an SNS envelope: its Type is unknown")
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
