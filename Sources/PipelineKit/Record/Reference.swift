import Locking
import Wire

/// Where in a message something stands, as it is written in a pipeline file: `config.url`, `attributes.NAME`, `metadata.key`.
public final class Reference: Sendable, Hashable {
    enum Place: Sendable {
        /// A field of what it carries.
        case field(FieldPath)
        /// One of the publisher's attributes.
        case attribute(String)
        /// What is known of it beside that.
        case metadata(Metadata)
    }

    enum Metadata: String, Sendable, CaseIterable {
        case id, key, topic, publishedAt, receivedAt

        func text(of message: Message) -> String? {
            switch self {
            case .id: message.id
            case .key: message.key
            case .topic: message.topic.isEmpty ? nil : message.topic
            case .publishedAt: message.publishedAt.map { RFC3339.format($0) }
            case .receivedAt: RFC3339.format(message.receivedAt)
            }
        }
    }

    let place: Place
    /// The same for all references of one text in this process: what they are told apart by on the path of a message.
    let number: Int

    /// Every text that was made into a reference; as many as pipeline files name.
    private static let numbers = Mutex<[String: Int]>([:])

    /// Reads a reference; nil where the text is none.
    public init?(_ text: String) {
        if text.hasPrefix("attributes."), text.count > 11 {
            place = .attribute(String(text.dropFirst(11)))
        } else if text.hasPrefix("metadata.") {
            guard let metadata = Metadata(rawValue: String(text.dropFirst(9))) else { return nil }
            place = .metadata(metadata)
        } else {
            guard let path = FieldPath(text) else { return nil }
            place = .field(path)
        }
        number = Self.numbers.withLock { numbers in
            if let known = numbers[text] { return known }
            defer { numbers[text] = numbers.count }
            return numbers.count
        }
    }

    /// Whether they were written alike.
    public static func == (left: Reference, right: Reference) -> Bool { left.number == right.number }

    /// By how it was written.
    public func hash(into hasher: inout Hasher) { hasher.combine(number) }
}

extension OptionType where Value == Reference {
    /// Where in a message something stands.
    public static let reference = OptionType<String>.string.map(named: "field") { text in
        guard let reference = Reference(text) else {
            throw OptionError(
                "'\(text)' is none of a field such as config.url or events[*], attributes.NAME, and metadata.id, key, topic, publishedAt or receivedAt"
            )
        }
        return reference
    }
}
