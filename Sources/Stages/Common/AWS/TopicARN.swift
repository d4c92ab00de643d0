import AWS
import PipelineKit

/// The ARN of an SNS topic.
struct TopicARN: Sendable {
    let description: String
    let region: String

    init(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "sns", !parts[3].isEmpty, !parts[5].isEmpty else {
            throw OptionError("'\(text)' is no ARN of a topic such as arn:aws:sns:us-east-1:000000000000:webhooks")
        }
        description = text
        region = String(parts[3])
    }

    static let type = OptionType<String>.string.map { try TopicARN($0) }
}
