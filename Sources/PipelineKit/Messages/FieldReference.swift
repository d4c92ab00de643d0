import Locking
import Wire

/// A reference to a part of a message, as pipeline files write it: `config.url`, `attributes.NAME`, `metadata.key`.
public final class FieldReference: Sendable, Hashable {
    enum Target: Sendable {
        /// A field of the payload.
        case field(FieldPath)
        /// One of the publisher's attributes.
        case attribute(String)
        /// A property of the message, such as its key.
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
    /// The same for all references with the same text in this process. Comparing it is cheap.
    let id: Int

    /// The ids of all references, by their text. Bounded by what the pipeline files name.
    private static let ids = Mutex<[String: Int]>([:])

    /// Parses a reference. Returns nil if the text is none.
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

    public static func == (left: FieldReference, right: FieldReference) -> Bool { left.id == right.id }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension OptionType where Value == FieldReference {
    /// A reference to a part of a message.
    public static let reference = OptionType<String>.string.map(named: "field") { text in
        guard let reference = FieldReference(text) else {
            throw OptionError(
                "'\(text)' is no reference: write a field such as config.url or events[*], attributes.NAME, or metadata.id, key, topic, publishedAt or receivedAt"
            )
        }
        return reference
    }
}
