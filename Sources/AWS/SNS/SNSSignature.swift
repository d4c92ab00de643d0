import Cryptography
import Wire

/// Verifies the signatures of SNS.
///
/// Source: Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages": RSA PKCS#1 v1.5 over SHA-1
/// (version 1) or SHA-256 (version 2).
enum SNSSignature {
    /// Returns `Name\nValue\n` for each signed name in byte order.
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

    /// Returns whether the envelope's signature is valid for the key.
    static func isValid(_ envelope: SNSEnvelope, key: RSAPublicKey) -> Bool {
        guard let signature = Base64.decode(envelope.signature) else { return false }
        let text = stringToSign(envelope)
        return switch envelope.signatureVersion {
        case "1": key.isValid(signature: signature, for: text, digest: .sha1)
        case "2": key.isValid(signature: signature, for: text, digest: .sha256)
        default: false
        }
    }
}
