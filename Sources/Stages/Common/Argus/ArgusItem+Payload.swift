public import PipelineKit
public import Webhooks
public import Wire

/// An Argus item as a payload.
extension ArgusItem: PipelineKit.Payload {
    public static let kind = PayloadKind("argus-item")
    /// The body of the request that writes the item, with the ttl of this moment.
    public func bytes(at now: Timestamp) -> [UInt8] { body(at: now) }
    public func isExpired(at now: Timestamp) -> Bool { lifetime.isExpired(at: now) }
    /// Of two registrations published at the same time, the one that expires later is the newer.
    public var precedence: Timestamp? { lifetime.end }
}
