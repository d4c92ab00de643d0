import Locking
import PipelineKit
import YAML

/// A parsed configuration file: its tree with every `${...}` replaced, and its lines for excerpts in messages.
struct ConfigurationFile {
    let path: String
    let text: String
    /// Nil if the file cannot be read or is not YAML.
    let root: ConfigNode?

    /// Reads a file and reports its errors. `location` is where another file names it.
    init(
        path: String, substitution: Substitution, namedAt location: SourceLocation? = nil,
        _ diagnostics: inout Diagnostics
    ) {
        // One byte more than allowed, so that the parser reports the limit.
        if let bytes = try? OpenFile(reading: path).readBeginning(YAMLLimits().bytes + 1) {
            self.init(path: path, bytes: bytes, substitution: substitution, &diagnostics)
        } else {
            diagnostics.error(
                "the file '\(path)' cannot be read: check that it exists and its permissions", at: location)
            self.init(unreadable: path)
        }
    }

    private init(unreadable path: String) {
        self.path = path
        text = ""
        root = nil
    }

    init(path: String, bytes: [UInt8], substitution: Substitution, _ diagnostics: inout Diagnostics) {
        self.path = path
        text = String(decoding: bytes, as: UTF8.self)
        let (node, problems) = YAMLParser.parse(bytes)
        for problem in problems {
            diagnostics.error(problem.message, at: SourceLocation(file: path, problem.mark))
        }
        root = node.map { Self.convert($0, path, substitution, &diagnostics) }
    }

    private static func convert(
        _ node: YAMLNode, _ path: String, _ substitution: Substitution, _ diagnostics: inout Diagnostics
    ) -> ConfigNode {
        let location = SourceLocation(file: path, node.mark)
        switch node.content {
        case .scalar(var scalar):
            let unexpanded = scalar.text
            var problem: String?
            do {
                scalar.text = try substitution.apply(to: scalar.text)
            } catch {
                problem = error.message
            }
            var node = ConfigNode(
                content(of: scalar), at: location, unexpanded: unexpanded == scalar.text ? nil : unexpanded)
            node.problem = problem
            return node
        case .sequence(let nodes):
            return ConfigNode(.list(nodes.map { convert($0, path, substitution, &diagnostics) }), at: location)
        case .mapping(let members):
            let entries = members.map { member in
                ConfigNode.Entry(
                    key: member.key, keyLocation: SourceLocation(file: path, member.keyMark),
                    value: convert(member.value, path, substitution, &diagnostics))
            }
            return ConfigNode(.map(entries), at: location)
        }
    }

    private static func content(of scalar: YAMLScalar) -> ConfigNode.Content {
        switch scalar.resolved {
        case .null: .null
        case .bool(let value): .bool(value)
        case .int(let value): .int(value)
        case .double(let value): .double(value)
        case .string(let value): .string(value)
        }
    }
}

extension SourceLocation {
    init(file: String, _ mark: YAMLMark) {
        self.init(file: file, line: mark.line, column: mark.column, length: mark.length)
    }
}
