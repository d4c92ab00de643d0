import Crypto
import CryptoExtras
public import Foundation
import SwiftASN1
import X509

/// Signs envelopes as SNS does, with a key and a certificate of its own.
public struct SNSSigner: Sendable {
    /// The certificate, PEM.
    public let certificate: String
    private let key: _RSA.Signing.PrivateKey

    /// A signer with a new key.
    public init(
        validFrom: Date = Date(timeIntervalSinceNow: -3600), validUntil: Date = Date(timeIntervalSinceNow: 86_400)
    ) throws {
        key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let name = try DistinguishedName { CommonName("sns.test") }
        let made = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: validFrom,
            notValidAfter: validUntil, issuer: name, subject: name, signatureAlgorithm: .sha256WithRSAEncryption,
            extensions: .init(), issuerPrivateKey: .init(key))
        certificate = try made.serializeAsPEM().pemString
    }

    /// An envelope as it may be posted.
    public struct Envelope: Sendable {
        public var type = "Notification"
        public var id = UUID().uuidString.lowercased()
        public var topic = "arn:aws:sns:us-east-1:000000000000:t"
        public var subject: String?
        public var message = ""
        public var timestamp = "2026-01-01T00:00:00.000Z"
        public var version = "1"
        public var certURL = "https://sns.us-east-1.amazonaws.com/cert.pem"
        public var token: String?
        public var subscribeURL: String?
        public var attributes: [String: String] = [:]

        public init() {}
    }

    /// The envelope's JSON with its signature.
    public func sign(_ envelope: Envelope) throws -> Data {
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
        let signature =
            envelope.version == "2"
            ? try key.signature(for: SHA256.hash(data: Data(text.utf8)), padding: .insecurePKCS1v1_5)
            : try key.signature(for: Insecure.SHA1.hash(data: Data(text.utf8)), padding: .insecurePKCS1v1_5)
        fields["Signature"] = signature.rawRepresentation.base64EncodedString()
        return try JSONSerialization.data(withJSONObject: fields)
    }
}
