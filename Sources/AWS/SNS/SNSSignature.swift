import Crypto
import CryptoExtras
import Foundation

/// What SNS signs, and whether a signature is the certificate's.
///
/// Source: Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages": RSA PKCS#1 v1.5 over SHA-1
/// (version 1) or SHA-256 (version 2).
enum SNSSignature {
    /// `Name\nValue\n` for each signed name in byte order.
    static func stringToSign(_ envelope: SNSEnvelope) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(envelope.message.utf8.count + 512)
        func add(_ name: StaticString, _ value: String?) {
            guard let value else { return }
            name.withUTF8Buffer { output.append(contentsOf: $0) }
            output.append(UInt8(ascii: "\n"))
            output.append(contentsOf: value.utf8)
            output.append(UInt8(ascii: "\n"))
        }
        let isNotification = envelope.kind == .notification
        add("Message", envelope.message)
        add("MessageId", envelope.messageID)
        if isNotification {
            add("Subject", envelope.subject)
        } else {
            add("SubscribeURL", envelope.subscribeURL)
        }
        add("Timestamp", envelope.timestamp)
        if !isNotification { add("Token", envelope.token) }
        add("TopicArn", envelope.topicARN)
        add("Type", envelope.kind.rawValue)
        return output
    }

    /// Whether the envelope's signature was made with the key's other half.
    static func isValid(_ envelope: SNSEnvelope, key: _RSA.Signing.PublicKey) -> Bool {
        guard let raw = Data(base64Encoded: envelope.signature) else { return false }
        let signature = _RSA.Signing.RSASignature(rawRepresentation: raw)
        let text = stringToSign(envelope)
        switch envelope.signatureVersion {
        case "1":
            return key.isValidSignature(signature, for: Insecure.SHA1.hash(data: text), padding: .insecurePKCS1v1_5)
        case "2": return key.isValidSignature(signature, for: SHA256.hash(data: text), padding: .insecurePKCS1v1_5)
        default: return false
        }
    }
}
