import AWS
import PipelineKit

/// The URL of a queue: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, or that of another service.
struct QueueURL: Sendable {
    let description: String
    /// The region in the URL of an Amazon host; nil for another host.
    let region: String?
    var isFIFO: Bool { description.hasSuffix(".fifo") }

    init(_ text: String) throws {
        guard let address = HTTPAddress(text), address.description.utf8.split(separator: UInt8(ascii: "/")).count >= 3
        else {
            throw OptionError(
                "'\(text)' is no URL of a queue such as https://sqs.us-east-1.amazonaws.com/123456789012/webhooks")
        }
        description = address.description
        let labels = address.host.split(separator: ".")
        region = labels.count > 3 && labels[0] == "sqs" ? String(labels[1]) : nil
    }

    static let type = OptionType<String>.string.map(named: "URL") { try QueueURL($0) }
}
