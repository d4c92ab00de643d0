import Glibc

/// Common field names: texts of up to 15 bytes are stored inline, longer ones would be allocated for each message.
enum FieldNames {
    private static let known: [(bytes: StaticString, text: String)] = [
        ("x-amz-sns-message-type", "x-amz-sns-message-type"), ("x-amz-sns-message-id", "x-amz-sns-message-id"),
        ("x-amz-sns-topic-arn", "x-amz-sns-topic-arn"),
        ("x-amz-sns-subscription-arn", "x-amz-sns-subscription-arn"), ("Transfer-Encoding", "Transfer-Encoding"),
    ]

    /// Returns the name in a range of bytes, as it was sent.
    static func name(_ range: Range<Int>, of bytes: Span<UInt8>) -> String {
        guard range.count > 15, range.lowerBound >= 0, range.upperBound <= bytes.count else {
            return Syntax.text(range, of: bytes)
        }
        for (name, text) in known where name.utf8CodeUnitCount == range.count {
            let isSame = bytes.withUnsafeBufferPointer { bytes in
                bytes.baseAddress.map { memcmp($0 + range.lowerBound, name.utf8Start, range.count) == 0 } ?? false
            }
            if isSame { return text }
        }
        return Syntax.text(range, of: bytes)
    }
}
