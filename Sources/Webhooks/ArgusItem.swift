import Cryptography
public import Wire

/// An item of Argus: an id, an owner, data, and a lifetime from which the ttl is computed when it is written.
public struct ArgusItem: Sendable, Equatable {
    /// 64 characters `0-9a-f`.
    public let id: String
    /// The owner; empty for none.
    public let owner: String
    /// A JSON object with at least one key.
    public let data: [UInt8]
    /// When it expires.
    public let lifetime: ItemLifetime

    public init(id: String, owner: String, data: [UInt8], lifetime: ItemLifetime) {
        self.id = id
        self.owner = owner
        self.data = data
        self.lifetime = lifetime
    }

    /// Returns the id of a webhook's item: the SHA-256 of its URL in lower-case hex (ancla, webhook item id).
    public static func id(ofURL url: String) -> String { Hex.encode(Digest.sha256(url)) }

    /// Returns the body of the request that writes the item: `{"id": ..., "data": ..., "ttl": seconds}`.
    public func body(at now: Timestamp) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(data.count + 128)
        JSONWriter.append("{\"id\":", to: &output)
        JSONWriter.append(string: id, to: &output)
        JSONWriter.append(",\"data\":", to: &output)
        output.append(contentsOf: data)
        JSONWriter.append(",\"ttl\":", to: &output)
        JSONWriter.append(integer: lifetime.secondsLeft(at: now), to: &output)
        JSONWriter.append("}", to: &output)
        return output
    }
}
