public import Wire

/// The content of a message. Usually bytes; a transform may produce something more specific, such as an item of a
/// store, which a sink then takes without parsing it.
public protocol Payload: Sendable {
    /// The kind, which stages accept and produce. A pipeline whose stages do not fit is refused before it starts.
    static var kind: PayloadKind { get }

    /// Returns the content as bytes. What depends on the time is computed for `now`.
    func bytes(at now: Timestamp) -> [UInt8]

    /// Returns whether the content is void at `now` and must not be written any more.
    func isExpired(at now: Timestamp) -> Bool

    /// Orders contents that were published at the same time: the later precedence is the newer. nil if there is no
    /// order.
    var precedence: Timestamp? { get }
}

extension Payload {
    public func isExpired(at now: Timestamp) -> Bool { false }
    public var precedence: Timestamp? { nil }
}

/// The name of a kind of payload.
public struct PayloadKind: Hashable, Sendable, CustomStringConvertible {
    /// The name as it is shown in messages, such as `bytes`.
    public let description: String

    public init(_ name: String) { description = name }

    /// Plain bytes, which every source makes.
    public static let bytes = PayloadKind("bytes")
}

/// A payload of plain bytes.
public struct Bytes: Payload {
    public static let kind = PayloadKind.bytes
    public let value: [UInt8]

    public init(_ value: [UInt8]) { self.value = value }

    public func bytes(at now: Timestamp) -> [UInt8] { value }
}
