public import Wire

/// A message as conditions and templates look at it: its bytes are made once, and a field is looked for once, however many ask for
/// it. Belongs to one message, on one thread. An object, so that a stage hands on nothing but a pointer.
public final class RecordView {
    /// The message.
    public let message: Message
    /// The time that ages are measured at.
    public let now: Timestamp
    private var cachedBytes: [UInt8]?
    private var fields: [(id: Int, value: FieldPath.Value?)] = []
    private var hosts: [(id: Int, hosts: [HostName?])] = []

    /// A view of a message, into which nobody has looked.
    public init(_ message: Message, now: Timestamp) {
        self.message = message
        self.now = now
    }

    /// What the message carries, as bytes.
    public var bytes: [UInt8] {
        if let cachedBytes { return cachedBytes }
        let bytes = message.payload.bytes(at: now)
        cachedBytes = bytes
        return bytes
    }

    /// The hosts of the URLs that a reference points to, one for each value; nil for a value that is no URL. Taken apart once.
    ///
    /// - Throws: `StageError` where the message would have to be JSON and is not.
    public func hosts(of reference: FieldReference) throws -> [HostName?] {
        for cached in hosts where cached.id == reference.id { return cached.hosts }
        let found: [HostName?] =
            switch try value(of: reference) {
            case .text(let text): [HostName(url: text)]
            case .list(let texts): texts.map { HostName(url: $0) }
            case .object, nil: []
            }
        hosts.append((reference.id, found))
        return found
    }

    /// What a reference points to; nil where there is nothing.
    ///
    /// - Throws: `StageError` where the message would have to be JSON and is not.
    public func value(of reference: FieldReference) throws -> FieldPath.Value? {
        switch reference.target {
        case .field(let path):
            for cached in fields where cached.id == reference.id { return cached.value }
            do {
                let value = try path.value(in: bytes)
                fields.append((reference.id, value))
                return value
            } catch {
                throw StageError("the message cannot be looked into: \(error)")
            }
        case .attribute(let name): return message.attributes[name].map { .text($0) }
        case .metadata(let metadata): return metadata.text(of: message).map { .text($0) }
        }
    }
}
