import Locking
import Wire

/// Where in a message something stands, as it is written in a pipeline file: `config.url`, `attributes.NAME`, `metadata.key`.
public final class FieldReference: Sendable, Hashable {
    enum Target: Sendable {
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

    let target: Target
    /// The same for all references of one text in this process: what they are told apart by on the path of a message.
    let id: Int

    /// Every text that was made into a reference; as many as pipeline files name.
    private static let ids = Mutex<[String: Int]>([:])

    /// Reads a reference; nil where the text is none.
    public init?(_ text: String) {
        if text.hasPrefix("attributes."), text.count > 11 {
            target = .attribute(String(text.dropFirst(11)))
        } else if text.hasPrefix("metadata.") {
            guard let metadata = Metadata(rawValue: String(text.dropFirst(9))) else { return nil }
            target = .metadata(metadata)
        } else {
            guard let path = FieldPath(text) else { return nil }
            target = .field(path)
        }
        id = Self.ids.withLock { ids in
            if let cached = ids[text] { return cached }
            defer { ids[text] = ids.count }
            return ids.count
        }
    }

    /// Whether they were written alike.
    public static func == (left: FieldReference, right: FieldReference) -> Bool { left.id == right.id }

    /// By how it was written.
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension OptionType where Value == FieldReference {
    /// Where in a message something stands.
    public static let reference = OptionType<String>.string.map(named: "field") { text in
        guard let reference = FieldReference(text) else {
            throw OptionError(
                "'\(text)' is none of a field such as config.url or events[*], attributes.NAME, and metadata.id, key, topic, publishedAt or receivedAt"
            )
        }
        return reference
    }
}
