import PipelineKit
import Wire

/// A message as conditions and templates look at it: its bytes are made once, and a field is looked for once, however many
/// conditions ask for it. Used by one stage for one message, on one thread.
struct RecordView {
    let message: Message
    /// The time that ages are measured at.
    let now: Timestamp
    private var json: [UInt8]?
    private var fields: [(path: FieldPath, value: FieldPath.Value?)] = []
    private var hosts: [(reference: Reference, hosts: [HostName?])] = []

    init(_ message: Message, now: Timestamp) {
        self.message = message
        self.now = now
    }

    /// What the message carries, as bytes.
    var bytes: [UInt8] {
        mutating get {
            if let json { return json }
            let made = message.payload.bytes(at: now)
            json = made
            return made
        }
    }

    /// The hosts of the URLs that a reference points to, one for each value; nil for a value that is no URL. Taken apart once.
    ///
    /// - Throws: `StageError` where the message would have to be JSON and is not.
    mutating func hosts(of reference: Reference) throws -> [HostName?] {
        if let known = hosts.first(where: { $0.reference == reference }) { return known.hosts }
        let found: [HostName?] =
            switch try value(of: reference) {
            case .text(let text): [HostName(url: text)]
            case .list(let texts): texts.map { HostName(url: $0) }
            case .object, nil: []
            }
        hosts.append((reference, found))
        return found
    }

    /// What a reference points to; nil where there is nothing.
    ///
    /// - Throws: `StageError` where the message would have to be JSON and is not.
    mutating func value(of reference: Reference) throws -> FieldPath.Value? {
        switch reference {
        case .field(let path):
            if let known = fields.first(where: { $0.path == path }) { return known.value }
            do {
                let value = try path.value(in: bytes)
                fields.append((path, value))
                return value
            } catch {
                throw StageError("the message cannot be looked into: \(error)")
            }
        case .attribute(let name): return message.attributes[name].map { .text($0) }
        case .metadata(let metadata): return metadata.text(of: message).map { .text($0) }
        }
    }
}

/// Where in a message something stands.
enum Reference: Sendable, Hashable {
    /// A field of what it carries.
    case field(FieldPath)
    /// One of the publisher's attributes.
    case attribute(String)
    /// What is known of it beside that.
    case metadata(Metadata)

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

    /// Reads `config.url`, `attributes.NAME`, `metadata.key`; nil where the text is none of them.
    init?(_ text: String) {
        if text.hasPrefix("attributes."), text.count > 11 {
            self = .attribute(String(text.dropFirst(11)))
        } else if text.hasPrefix("metadata.") {
            guard let metadata = Metadata(rawValue: String(text.dropFirst(9))) else { return nil }
            self = .metadata(metadata)
        } else {
            guard let path = FieldPath(text) else { return nil }
            self = .field(path)
        }
    }
}

extension OptionType where Value == Reference {
    /// Where in a message something stands.
    static let reference = OptionType<String>.string.map(named: "field") { text in
        guard let reference = Reference(text) else {
            throw OptionError(
                "'\(text)' is none of a field such as config.url or events[*], attributes.NAME, and metadata.id, key, topic, publishedAt or receivedAt"
            )
        }
        return reference
    }
}
