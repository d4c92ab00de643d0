public import PipelineKit
import Wire

/// Changes fields of a message.
public struct MapTransform: Transform {
    /// The new value of a field: JSON with templates as texts.
    private indirect enum Value: Sendable {
        case constant(JSONTree)
        case template(TemplateText)
        case list([Value])
        case object([(String, Value)])
    }

    private static let target = OptionType<FieldPath>.fieldPath
    private static let value = OptionType<Value>("any value") { node, diagnostics in value(node, &diagnostics) }
    private static let remove = Option("remove", .list(of: target), default: [], help: "fields to remove")
    private static let rename = Option(
        "rename", .dictionary(of: target), default: [:], shown: "", help: "fields and their new names"
    )
    private static let copy = Option(
        "copy", .dictionary(of: target), default: [:], shown: "", help: "fields and where to copy their values")
    private static let set = Option(
        "set", .dictionary(of: value), default: [:], shown: "",
        help: "fields and their new values, with placeholders such as {config.url} in texts")
    private static let attributes = Option(
        "attributes", .dictionary(of: .template), default: [:], shown: "", help: "attributes to set, with placeholders")
    private static let key = Option(
        optional: "key", .template, help: "the message's new key, with placeholders")

    public static let declaration = StageDeclaration(
        name: "map",
        summary: "changes fields of a message: removes, renames, copies, sets",
        details: """
            The message is a JSON object, or an array whose first element is changed. What is to be done is done in the order remove,
            rename, copy, set, attributes, key, whatever the order in the file; use several stages for another. A field that is not there
            is neither removed nor renamed nor copied. Gaps are {field}, {attributes.NAME}, {metadata.key}, with |host, |lower, |upper,
            |json, |urlencode, and {field:-default}; {{ and }} are braces.
            """,
        options: [remove, rename, copy, set, attributes, key],
        accepts: .bytes, produces: .bytes,
        example: """
            stages:
              - transform:
                  map:
                    remove: [config.secret]
                    set: {failure_url: "https://{config.url|host}/failures", matcher.device_id: [".*"]}
            """)

    private let removes: [FieldPath]
    private let renames: [(from: FieldPath, to: FieldPath)]
    private let copies: [(from: FieldPath, to: FieldPath)]
    private let sets: [(path: FieldPath, value: Value)]
    private let attributes: [(name: String, value: TemplateText)]
    private let key: TemplateText?
    private let now: @Sendable () -> Timestamp

    public init(_ options: Options, _ context: StageContext) throws {
        removes = options[Self.remove]
        renames = try Self.paths(options[Self.rename])
        copies = try Self.paths(options[Self.copy])
        sets = try options[Self.set].sorted { $0.key < $1.key }.map { (try Self.path($0.key), $0.value) }
        attributes = options[Self.attributes].sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        key = options[Self.key]
        now = context.now
        let all =
            removes + renames.flatMap { [$0.from, $0.to] } + copies.flatMap { [$0.from, $0.to] } + sets.map(\.path)
        if let bad = all.first(where: { $0.description.contains("[") }) {
            throw OptionError("'\(bad)': elements of arrays cannot be changed, only whole fields")
        }
    }

    private static func path(_ text: String) throws -> FieldPath {
        guard let path = FieldPath(text) else { throw OptionError("'\(text)' is no field such as config.url") }
        return path
    }

    private static func paths(_ map: [String: FieldPath]) throws -> [(from: FieldPath, to: FieldPath)] {
        try map.sorted { $0.key < $1.key }.map { (try path($0.key), $0.value) }
    }

    private static func value(_ node: ConfigNode, _ diagnostics: inout Diagnostics) -> Value? {
        switch node.content {
        case .null: return .constant(.null)
        case .bool(let value): return .constant(.bool(value))
        case .int(let value): return .constant(.integer(value))
        case .double(let value): return .constant(.number("\(value)"))
        case .string:
            guard let template = OptionType<TemplateText>.template.value(of: node, &diagnostics) else { return nil }
            return template.constant.map { .constant(.string($0)) } ?? .template(template)
        case .list(let nodes):
            let values = nodes.map { value($0, &diagnostics) }
            return values.contains { $0 == nil } ? nil : .list(values.compactMap { $0 })
        case .map(let entries):
            let values = entries.map { value($0.value, &diagnostics) }
            guard !values.contains(where: { $0 == nil }) else { return nil }
            return .object(zip(entries.map(\.key), values.compactMap { $0 }).map { ($0, $1) })
        }
    }

    /// Returns the message with its fields changed. Templates read the original message.
    public func transform(_ message: Message) throws -> [Message] {
        let record = RecordView(message, now: now())
        var tree: JSONTree
        do {
            tree = try JSONTree(parsing: record.bytes)
        } catch {
            throw StageError("the message is not JSON: \(error)")
        }
        var changed = message
        if !(removes.isEmpty && renames.isEmpty && copies.isEmpty && sets.isEmpty) {
            if case .array(var elements) = tree, !elements.isEmpty {
                try change(&elements[0], record)
                tree = .array(elements)
            } else {
                try change(&tree, record)
            }
            changed.payload = Bytes(tree.bytes)
        }
        for (name, template) in attributes { changed.attributes[name] = try template.text(record) }
        if let key { changed.key = try key.text(record) }
        return [changed]
    }

    private func change(_ tree: inout JSONTree, _ record: RecordView) throws {
        guard case .object = tree else { throw StageError("the message is no JSON object") }
        for path in removes { _ = tree.remove(at: path.segments[...]) }
        for (from, to) in renames {
            if let value = tree.remove(at: from.segments[...]) { try put(value, at: to, in: &tree) }
        }
        for (from, to) in copies {
            if let value = tree.value(at: from.segments[...]) { try put(value, at: to, in: &tree) }
        }
        for (path, value) in sets { try put(try Self.fill(value, record), at: path, in: &tree) }
    }

    private func put(_ value: JSONTree, at path: FieldPath, in tree: inout JSONTree) throws {
        guard tree.set(value, at: path.segments[...]) else {
            throw StageError("the field '\(path)' cannot be set: a part of its path is no object")
        }
    }

    private static func fill(_ value: Value, _ record: RecordView) throws -> JSONTree {
        switch value {
        case .constant(let tree): return tree
        case .template(let template): return .string(try template.text(record))
        case .list(let values):
            var elements: [JSONTree] = []
            for value in values { elements.append(try fill(value, record)) }
            return .array(elements)
        case .object(let values):
            var members: [JSONTree.Member] = []
            for (key, value) in values { members.append(.init(key, try fill(value, record))) }
            return .object(members)
        }
    }
}
