package import Foundation

/// Signs envelopes as SNS does, with a key and a certificate of its own.
package struct SNSSigner: Sendable {
    /// The certificate, PEM.
    package let certificate: String
    /// The key, PEM.
    package var privateKey: String { key.pem }
    private let key: TestKey

    /// A signer with a new key.
    package init(
        validFrom: Date = Date(timeIntervalSinceNow: -3600), validUntil: Date = Date(timeIntervalSinceNow: 86_400),
        bits: Int = 2048
    ) throws {
        key = try TestKey(bits: bits)
        certificate = try TestCertificate(name: "sns.test", key: key, validFrom: validFrom, validUntil: validUntil).pem
    }

    /// An envelope as it may be posted.
    package struct Envelope: Sendable {
        package var type = "Notification"
        package var id = UUID().uuidString.lowercased()
        package var topic = "arn:aws:sns:us-east-1:000000000000:t"
        package var subject: String?
        package var message = ""
        package var timestamp = "2026-01-01T00:00:00.000Z"
        package var version = "1"
        package var certURL = "https://sns.us-east-1.amazonaws.com/cert.pem"
        package var token: String?
        package var subscribeURL: String?
        package var attributes: [String: String] = [:]

        package init() {}
    }

    /// The envelope's JSON with its signature.
    package func sign(_ envelope: Envelope) throws -> Data {
        var fields: [String: Any] = [
            "Type": envelope.type, "MessageId": envelope.id, "TopicArn": envelope.topic, "Message": envelope.message,
            "Timestamp": envelope.timestamp, "SignatureVersion": envelope.version, "SigningCertURL": envelope.certURL,
        ]
        if let subject = envelope.subject { fields["Subject"] = subject }
        if let token = envelope.token { fields["Token"] = token }
        if let subscribeURL = envelope.subscribeURL { fields["SubscribeURL"] = subscribeURL }
        if !envelope.attributes.isEmpty {
            fields["MessageAttributes"] = envelope.attributes.mapValues { ["Type": "String", "Value": $0] }
        }
        let names =
            envelope.type == "Notification"
            ? ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
            : ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        let text = names.compactMap { name in (fields[name] as? String).map { "\(name)\n\($0)\n" } }.joined()
        let signature = try key.sign(Array(text.utf8), isSHA1: envelope.version != "2")
        fields["Signature"] = Data(signature).base64EncodedString()
        return try JSONSerialization.data(withJSONObject: fields)
    }
}
