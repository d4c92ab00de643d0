public import PipelineKit
import Wire

/// The effective pipeline of a file: the result of the file, the files that it extends and the command line.
public struct EffectivePipeline: Sendable {
    /// A value with its path.
    struct Leaf: Equatable {
        var path: String
        /// The value as YAML on one line, without secrets.
        var value: String
        /// Decides whether two values are equal; never shown.
        var identity: String
        var origin: String
    }

    private let path: String
    private let root: ConfigNode
    private let registry: StageRegistry
    private let keepsVariables: Bool

    /// Loads a file with those that it extends.
    ///
    /// - Parameters:
    ///   - settings: overrides, each `path.to.option=value`.
    ///   - keepsVariables: keeps `${...}` unreplaced, so that no variable has to be set.
    /// - Returns: nil if a file cannot be read; and the report.
    public static func load(
        _ path: String, registry: StageRegistry, settings: [String] = [], keepsVariables: Bool = false
    ) -> (pipeline: EffectivePipeline?, report: Report) {
        let (root, report) = PipelineFile.tree(
            of: path, settings: settings, substitution: keepsVariables ? .none : .system)
        return (
            root.map { EffectivePipeline(path: path, root: $0, registry: registry, keepsVariables: keepsVariables) },
            report
        )
    }

    // MARK: - As a file

    /// The pipeline as a file, with the origin of each value as a comment. Without secrets.
    public var yaml: String {
        var lines: [String] = []
        render(root, indent: 0, shape: .group(PipelineReader.declarations), isSecret: false, into: &lines)
        return lines.joined(separator: "\n") + "\n"
    }

    private func render(_ node: ConfigNode, indent: Int, shape: OptionShape, isSecret: Bool, into lines: inout [String])
    {
        guard case .map(let entries) = node.content else { return }
        let margin = String(repeating: " ", count: indent)
        for entry in entries {
            let (inner, innerSecret) = child(entry.key, of: shape)
            let secret = isSecret || innerSecret || sounds(entry)
            render(
                entry.value, head: "\(margin)\(scalar(entry.key)):", indent: indent, shape: inner,
                isSecret: secret, into: &lines)
        }
    }

    private func render(
        _ node: ConfigNode, head: String, indent: Int, shape: OptionShape, isSecret: Bool, into lines: inout [String]
    ) {
        switch node.content {
        case .map(let entries) where !entries.isEmpty:
            lines.append(head)
            render(node, indent: indent + 2, shape: shape, isSecret: isSecret, into: &lines)
        case .list(let nodes) where !nodes.isEmpty:
            lines.append(head)
            let margin = String(repeating: " ", count: indent + 2)
            let inner = element(of: shape)
            for node in nodes {
                if case .map(let entries) = node.content, !entries.isEmpty {
                    var inside: [String] = []
                    render(node, indent: indent + 4, shape: inner, isSecret: isSecret, into: &inside)
                    // The dash replaces the indentation of the first line.
                    inside[0] = "\(margin)- \(inside[0].dropFirst(indent + 4))"
                    lines += inside
                } else {
                    render(node, head: "\(margin)-", indent: indent + 2, shape: inner, isSecret: isSecret, into: &lines)
                }
            }
        default: lines.append("\(head) \(value(of: node, isSecret: isSecret))  # \(origin(of: node, isSecret))")
        }
    }

    private func value(of node: ConfigNode, isSecret: Bool) -> String {
        if isSecret || node.unexpanded?.contains("${file:") == true { return "\"[redacted]\"" }
        return switch node.content {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let text): scalar(text)
        case .list: "[]"
        case .map: "{}"
        }
    }

    /// Quotes a text for YAML where needed.
    private func scalar(_ text: String) -> String {
        let text = keepsVariables ? text : text.reduce(into: "") { $0 += $1 == "$" ? "$$" : String($1) }
        return Self.isPlain(text) ? text : JSONWriter.quoted(text)
    }

    /// Returns whether a text can be written without quotes.
    private static func isPlain(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, let last = bytes.last, last != UInt8(ascii: ":") else { return false }
        func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
        guard isLetter(first) || [UInt8(ascii: "_"), UInt8(ascii: "/")].contains(first),
            bytes.allSatisfy({ isLetter($0) || (48...57).contains($0) || "_./:@+-".utf8.contains($0) })
        else { return false }
        return !["null", "true", "false", "y", "n", "yes", "no", "on", "off"].contains(text.lowercased())
    }

    private func origin(of node: ConfigNode, _ isSecret: Bool) -> String {
        let location = "\(node.location.file):\(node.location.line)"
        guard let unexpanded = node.unexpanded else { return Self.oneLine(location) }
        // A default may be a secret, too: of a secret only the names of variables are shown.
        return Self.oneLine("\(location) \(isSecret ? Self.names(in: unexpanded) : unexpanded)")
    }

    /// Returns a text for a comment, without line breaks and characters that YAML does not allow.
    private static func oneLine(_ text: String) -> String {
        // By scalars: CR LF is one Character.
        let scalars = text.unicodeScalars.map { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: Unicode.Scalar(" ")
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }

    private static func names(in unexpanded: String) -> String {
        unexpanded.matches(of: #/\$\{(file:[^}]*|[A-Za-z0-9_]+)/#).map { "${\($0.output.1)}" }.joined(separator: " ")
    }

    // MARK: - What is secret

    private func sounds(_ entry: ConfigNode.Entry) -> Bool {
        switch entry.value.content {
        case .string: Report.soundsSecret(entry.key)
        default: false
        }
    }

    /// Returns the shape of a member, and whether it is secret.
    private func child(_ key: String, of shape: OptionShape) -> (shape: OptionShape, isSecret: Bool) {
        switch shape {
        case .group(let members), .openGroup(let members, _):
            if let member = members.first(where: { $0.name == key }) { return (member.shape, member.isSecret) }
            if case .openGroup(_, let others) = shape { return (others, false) }
            return (.any, false)
        case .map(let inner): return (inner, false)
        case .list(let inner): return child(key, of: inner)
        case .named(_, let inner): return child(key, of: inner())
        case .stage(let role):
            guard let kind = registry.kind(role, key) else { return (.any, false) }
            return (kind.declaration.shape, false)
        case .oneOf(let shapes):
            let found = shapes.map { child(key, of: $0) }
            let known = found.first { if case .any = $0.shape { false } else { true } }
            return (known?.shape ?? .any, found.contains { $0.isSecret })
        case .any, .text, .pattern, .boolean, .integer, .number, .choice: return (.any, false)
        }
    }

    private func element(of shape: OptionShape) -> OptionShape {
        switch shape {
        case .list(let inner): return inner
        case .named(_, let inner): return element(of: inner())
        case .oneOf(let shapes):
            return shapes.first { if case .list = $0 { true } else { false } }.map { element(of: $0) } ?? .any
        default: return .any
        }
    }

    // MARK: - Differences

    /// Returns the differences between two pipelines for people; empty if there are none.
    public static func differences(_ left: EffectivePipeline, _ right: EffectivePipeline) -> String {
        let lefts = left.leaves
        let rights = right.leaves
        let leftByPath = Dictionary(lefts.map { ($0.path, $0) }, uniquingKeysWith: { $1 })
        let rightByPath = Dictionary(rights.map { ($0.path, $0) }, uniquingKeysWith: { $1 })
        var lines: [String] = []
        func show(_ sign: String, _ leaf: Leaf) { lines.append("  \(sign) \(leaf.value)  # \(leaf.origin)") }
        for leaf in lefts {
            guard let other = rightByPath[leaf.path] else {
                lines.append(leaf.path)
                show("-", leaf)
                continue
            }
            if leaf.identity != other.identity {
                lines.append(leaf.path)
                show("-", leaf)
                show("+", other)
            }
        }
        for leaf in rights where leftByPath[leaf.path] == nil {
            lines.append(leaf.path)
            show("+", leaf)
        }
        let orders = [left, right].map { $0.stageNames }
        let common = orders.map { order in order.filter { orders[0].contains($0) && orders[1].contains($0) } }
        if common[0] != common[1] {
            lines.append("the order of stages")
            lines.append("  - \(common[0].joined(separator: " ▸ "))")
            lines.append("  + \(common[1].joined(separator: " ▸ "))")
        }
        guard !lines.isEmpty else { return "" }
        return (["--- \(left.path)", "+++ \(right.path)"] + lines).joined(separator: "\n")
    }

    private var stageNames: [String] {
        guard case .list(let nodes)? = root["stages"]?.content else { return [] }
        return nodes.compactMap { StageEntry.name(of: $0) }
    }

    var leaves: [Leaf] {
        var leaves: [Leaf] = []
        collect(root, path: "", shape: .group(PipelineReader.declarations), isSecret: false, into: &leaves)
        return leaves
    }

    private func collect(
        _ node: ConfigNode, path: String, shape: OptionShape, isSecret: Bool, into leaves: inout [Leaf]
    ) {
        switch node.content {
        case .map(let entries) where !entries.isEmpty:
            for entry in entries {
                let (inner, innerSecret) = child(entry.key, of: shape)
                collect(
                    entry.value, path: path.isEmpty ? entry.key : "\(path).\(entry.key)", shape: inner,
                    isSecret: isSecret || innerSecret || sounds(entry), into: &leaves)
            }
        case .list(let nodes) where path == "stages":
            for (index, node) in nodes.enumerated() {
                collect(
                    node, path: "stages.\(StageEntry.name(of: node) ?? "\(index)")", shape: element(of: shape),
                    isSecret: isSecret, into: &leaves)
            }
        case .list(let nodes) where nodes.contains { if case .map = $0.content { true } else { false } }:
            for (index, node) in nodes.enumerated() {
                collect(
                    node, path: "\(path)[\(index)]", shape: element(of: shape), isSecret: isSecret, into: &leaves)
            }
        case .list(let nodes) where !nodes.isEmpty:
            let values = nodes.map { value(of: $0, isSecret: isSecret) }
            let identity = nodes.map { value(of: $0, isSecret: false) + ($0.unexpanded ?? "") }
            leaves.append(
                Leaf(
                    path: path, value: "[\(values.joined(separator: ", "))]",
                    identity: identity.joined(separator: ","), origin: origin(of: node, isSecret)))
        default:
            // Compare replaced values, not how they were written; compare hidden values, too.
            var bare = node
            bare.unexpanded = nil
            leaves.append(
                Leaf(
                    path: path, value: value(of: node, isSecret: isSecret), identity: value(of: bare, isSecret: false),
                    origin: origin(of: node, isSecret)))
        }
    }
}
