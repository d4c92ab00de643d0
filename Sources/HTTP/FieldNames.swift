import Glibc

/// The names of fields that come again and again: text of up to 15 bytes is held in place, a longer one would be allocated anew with
/// every message.
enum FieldNames {
    private static let known: [(bytes: StaticString, text: String)] = [
        ("x-amz-sns-message-type", "x-amz-sns-message-type"), ("x-amz-sns-message-id", "x-amz-sns-message-id"),
        ("x-amz-sns-topic-arn", "x-amz-sns-topic-arn"),
        ("x-amz-sns-subscription-arn", "x-amz-sns-subscription-arn"), ("Transfer-Encoding", "Transfer-Encoding"),
    ]

    /// The name in a range of bytes, as it is written there.
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
