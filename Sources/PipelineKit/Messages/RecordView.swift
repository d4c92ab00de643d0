public import Wire

/// A message as conditions and templates read it. Makes the bytes once and looks each field up once, however many ask
/// for it. Used for one message, on one thread. A class, so that stages pass on only a pointer.
public final class RecordView {
    public let message: Message
    /// The time at which ages are measured.
    public let now: Timestamp
    private var cachedBytes: [UInt8]?
    private var fields: [(id: Int, value: FieldPath.Value?)] = []
    private var hosts: [(id: Int, hosts: [HostName?])] = []

    public init(_ message: Message, now: Timestamp) {
        self.message = message
        self.now = now
    }

    /// The payload as bytes.
    public var bytes: [UInt8] {
        if let cachedBytes { return cachedBytes }
        let bytes = message.payload.bytes(at: now)
        cachedBytes = bytes
        return bytes
    }

    /// Returns the hosts of the URLs that a reference points to, one for each value; nil for a value that is no URL.
    /// The result is cached.
    ///
    /// - Throws: `StageError` if the payload has to be JSON and is not.
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

    /// Returns the value that a reference points to; nil if there is none.
    ///
    /// - Throws: `StageError` if the payload has to be JSON and is not.
    public func value(of reference: FieldReference) throws -> FieldPath.Value? {
        switch reference.target {
        case .field(let path):
            for cached in fields where cached.id == reference.id { return cached.value }
            do {
                let value = try path.value(in: bytes)
                fields.append((reference.id, value))
                return value
            } catch {
                throw StageError("the message cannot be parsed: \(error)")
            }
        case .attribute(let name): return message.attributes[name].map { .text($0) }
        case .metadata(let metadata): return metadata.text(of: message).map { .text($0) }
        }
    }
}
