public import PipelineKit
import Wire

/// Makes a message of each element of an array.
public struct SplitTransform: Transform {
    enum Mode: String, CaseIterable, Sendable { case array, lines }

    /// The maximum number of parts.
    private static let maximumParts = 10_000

    private static let field = Option(
        optional: "field", .fieldPath, help: "the field with the array; by default the message is the array")
    private static let by = Option(
        "by", OptionType<Mode>.choice, default: .array, shown: "array",
        help: "whether the parts are the elements of an array, or the lines of a text")
    private static let key = Option(
        "key", .fieldPath, default: SNSSourceOptions.defaultKeyField, shown: "config.url",
        help: "the field of a part that becomes its key; by default the message's key with the number of the part")

    public static let declaration = StageDeclaration(
        name: "split",
        summary: "makes a message of each element of an array, or of each line",
        details: "The message's sender is answered when all of its parts have ended. An empty array ends here.",
        options: [field, by, key],
        accepts: .bytes, produces: .bytes,
        example: """
            stages:
              - transform:
                  split: {field: webhooks}
            """)

    private let field: FieldPath?
    private let by: Mode
    private let key: FieldPath

    public init(_ options: Options, _ context: StageContext) throws {
        field = options[Self.field]
        by = options[Self.by]
        key = options[Self.key]
        if field != nil, by == .lines {
            throw OptionError(
                "'field' cannot be combined with lines, which are those of the whole message",
                at: options.location(of: Self.field))
        }
    }

    /// Returns a message for each part. Its id is the message's id with the number of the part.
    public func transform(_ message: Message) throws -> [Message] {
        let parts = try parts(of: message.payload.bytes(at: message.receivedAt))
        guard parts.count <= Self.maximumParts else {
            throw StageError("\(parts.count) parts are too many: the limit is \(Self.maximumParts)")
        }
        return parts.enumerated().map { index, bytes in
            var part = message
            part.id = "\(message.id)#\(index)"
            part.key = ((try? key.text(in: bytes)) ?? nil) ?? "\(message.key)#\(index)"
            part.payload = Bytes(bytes)
            return part
        }
    }

    private func parts(of bytes: [UInt8]) throws -> [[UInt8]] {
        if by == .lines {
            return bytes.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }).map {
                Array($0)
            }
        }
        let tree: JSONTree
        do {
            tree = try JSONTree(parsing: bytes)
        } catch {
            throw StageError("the message is not JSON: \(error)")
        }
        let found = field.map { tree.value(at: $0.segments[...]) } ?? tree
        guard case .array(let elements)? = found else {
            throw StageError(field.map { "the field '\($0)' is no array" } ?? "the message is no array")
        }
        return elements.map(\.bytes)
    }
}
