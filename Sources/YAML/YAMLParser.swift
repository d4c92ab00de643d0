import CHecateYAML

/// Limits for parsing, so that no text can exhaust the machine.
public struct YAMLLimits: Sendable {
    /// The maximum size of a text in bytes.
    public var bytes = 4 << 20
    /// The maximum depth of sequences and mappings.
    public var depth = 64
    /// The maximum number of nodes, including those of aliases.
    public var nodes = 100_000

    public init() {}
}

/// Parses a YAML document from libyaml's events.
public enum YAMLParser {
    /// Parses a text with at most one document.
    ///
    /// - Returns: the root, or nil if the text has an error that leaves no tree; and all errors. A text without a
    ///   document is an empty scalar at line 1.
    public static func parse(_ text: [UInt8], limits: YAMLLimits = YAMLLimits()) -> (YAMLNode?, [YAMLError]) {
        guard text.count <= limits.bytes else {
            let problem = YAMLError(
                message: "the file is larger than \(limits.bytes) bytes", mark: YAMLMark(line: 1, column: 1))
            return (nil, [problem])
        }
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else {
            return (nil, [YAMLError(message: "out of memory", mark: YAMLMark(line: 1, column: 1))])
        }
        defer { yaml_parser_delete(&parser) }
        return text.withUnsafeBufferPointer { buffer in
            yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
            // Parsed in place, because libyaml keeps pointers into it.
            return withUnsafeMutablePointer(to: &parser) { pointer in
                var builder = TreeBuilder(parser: pointer, limits: limits)
                do throws(YAMLError) {
                    let root = try builder.document()
                    return (root, builder.problems)
                } catch {
                    return (nil, builder.problems + [error])
                }
            }
        }
    }
}

/// Builds the tree of a document, event by event.
private struct TreeBuilder {
    private struct Anchor {
        var node: YAMLNode
        /// The number of nodes in it.
        var size: Int
    }

    let parser: UnsafeMutablePointer<yaml_parser_t>
    let limits: YAMLLimits
    var problems: [YAMLError] = []
    private var anchors: [String: Anchor] = [:]
    private var nodeCount = 0

    init(parser: UnsafeMutablePointer<yaml_parser_t>, limits: YAMLLimits) {
        self.parser = parser
        self.limits = limits
    }

    mutating func document() throws(YAMLError) -> YAMLNode {
        var root = YAMLNode(
            content: .scalar(YAMLScalar(text: "", isPlain: true)), mark: YAMLMark(line: 1, column: 1))
        var documents = 0
        while true {
            let event = try next()
            switch event.kind {
            case YAML_STREAM_END_EVENT: return root
            case YAML_DOCUMENT_START_EVENT:
                documents += 1
                guard documents == 1 else {
                    throw YAMLError(
                        message: "a second document begins here; one file holds one document", mark: event.mark)
                }
                root = try node(try next(), depth: 0)
            default: continue
            }
        }
    }

    private mutating func node(_ event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        try count(1, at: event.mark)
        let before = nodeCount
        let node: YAMLNode
        switch event.kind {
        case YAML_SCALAR_EVENT:
            node = YAMLNode(content: .scalar(try scalar(event)), mark: event.mark)
        case YAML_SEQUENCE_START_EVENT:
            node = YAMLNode(content: .sequence(try sequence(event, depth: depth + 1)), mark: event.mark)
        case YAML_MAPPING_START_EVENT:
            node = YAMLNode(content: .mapping(try mapping(event, depth: depth + 1)), mark: event.mark)
        case YAML_ALIAS_EVENT:
            guard let anchor = anchors[event.anchor ?? ""] else {
                let name = event.anchor ?? ""
                throw YAMLError(
                    message: "there is no anchor '&\(name)' before this alias '*\(name)'", mark: event.mark)
            }
            try count(anchor.size - 1, at: event.mark)
            return anchor.node
        default:
            throw YAMLError(message: "a value was expected here", mark: event.mark)
        }
        if let name = event.anchor { anchors[name] = Anchor(node: node, size: nodeCount - before + 1) }
        return node
    }

    private mutating func sequence(_ start: Event, depth: Int) throws(YAMLError) -> [YAMLNode] {
        try check(depth, at: start.mark)
        var elements: [YAMLNode] = []
        while true {
            let event = try next()
            if event.kind == YAML_SEQUENCE_END_EVENT { return elements }
            elements.append(try node(event, depth: depth))
        }
    }

    private mutating func mapping(_ start: Event, depth: Int) throws(YAMLError) -> [YAMLNode.Member] {
        try check(depth, at: start.mark)
        var members: [YAMLNode.Member] = []
        var seen: [String: YAMLMark] = [:]
        var merged: [YAMLNode.Member] = []
        while true {
            let event = try next()
            if event.kind == YAML_MAPPING_END_EVENT { break }
            let keyNode = try node(event, depth: depth)
            guard case .scalar(let key) = keyNode.content else {
                throw YAMLError(message: "a key has to be a scalar", mark: event.mark)
            }
            let value = try node(try next(), depth: depth)
            if let first = seen[key.text] {
                problems.append(
                    YAMLError(
                        message: "the key '\(key.text)' stands twice in this map, first in line \(first.line)",
                        mark: event.mark))
                continue
            }
            seen[key.text] = event.mark
            if key.text == "<<", key.isPlain {
                merged = try merge(value)
            } else {
                members.append(.init(key: key.text, keyMark: event.mark, value: value))
            }
        }
        return members + merged.filter { seen[$0.key] == nil }
    }

    /// Returns the members of a merge key: those of a mapping, or of several, of which the earlier take precedence.
    private func merge(_ value: YAMLNode) throws(YAMLError) -> [YAMLNode.Member] {
        let sources: [YAMLNode]
        if case .sequence(let nodes) = value.content { sources = nodes } else { sources = [value] }
        var result: [YAMLNode.Member] = []
        var names: Set<String> = []
        for source in sources {
            guard case .mapping(let members) = source.content else {
                throw YAMLError(message: "'<<' takes a map or a list of maps", mark: source.mark)
            }
            for member in members where names.insert(member.key).inserted { result.append(member) }
        }
        return result
    }

    private func scalar(_ event: Event) throws(YAMLError) -> YAMLScalar {
        switch event.tag {
        case nil: return YAMLScalar(text: event.text, isPlain: event.isPlain)
        case "!", "tag:yaml.org,2002:str": return YAMLScalar(text: event.text, isPlain: false)
        case "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null":
            return YAMLScalar(text: event.text, isPlain: true)
        case .some(let tag):
            throw YAMLError(message: "the tag '\(tag)' is not known here", mark: event.mark)
        }
    }

    private func check(_ depth: Int, at mark: YAMLMark) throws(YAMLError) {
        guard depth <= limits.depth else {
            throw YAMLError(message: "nested deeper than \(limits.depth) levels", mark: mark)
        }
    }

    private mutating func count(_ nodes: Int, at mark: YAMLMark) throws(YAMLError) {
        nodeCount += nodes
        guard nodeCount <= limits.nodes else {
            throw YAMLError(
                message: "the document holds more than \(limits.nodes) values, aliases expanded", mark: mark)
        }
    }

    // MARK: - Events

    private struct Event {
        var kind: yaml_event_type_e
        var mark: YAMLMark
        var anchor: String?
        var tag: String?
        var text = ""
        var isPlain = false
    }

    private mutating func next() throws(YAMLError) -> Event {
        var raw = yaml_event_t()
        guard yaml_parser_parse(parser, &raw) == 1 else { throw problem() }
        defer { yaml_event_delete(&raw) }
        let isOnOneLine = raw.start_mark.line == raw.end_mark.line
        let length = isOnOneLine ? Int(raw.end_mark.column) - Int(raw.start_mark.column) : 1
        var event = Event(
            kind: raw.type,
            mark: YAMLMark(
                line: Int(raw.start_mark.line) + 1, column: Int(raw.start_mark.column) + 1, length: length))
        switch raw.type {
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            event.text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            event.isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            event.anchor = Self.text(scalar.anchor)
            event.tag = Self.text(scalar.tag)
        case YAML_SEQUENCE_START_EVENT: event.anchor = Self.text(raw.data.sequence_start.anchor)
        case YAML_MAPPING_START_EVENT: event.anchor = Self.text(raw.data.mapping_start.anchor)
        case YAML_ALIAS_EVENT: event.anchor = Self.text(raw.data.alias.anchor)
        default: break
        }
        return event
    }

    /// Returns libyaml's error with its location.
    private func problem() -> YAMLError {
        let state = parser.pointee
        var message = state.problem.map { String(cString: $0) } ?? "not YAML"
        if let context = state.context { message = "\(String(cString: context)): \(message)" }
        // An encoding error has no location; what was read so far ends just before it.
        let mark = state.error == YAML_READER_ERROR ? state.mark : state.problem_mark
        return YAMLError(
            message: "not YAML: \(message)", mark: YAMLMark(line: Int(mark.line) + 1, column: Int(mark.column) + 1))
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}
