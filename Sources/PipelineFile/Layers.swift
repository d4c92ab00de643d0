import Glibc
import PipelineKit
import YAML

/// A pipeline file with the files that it extends and the settings of the command line, merged into one tree in which
/// every value has its location.
struct Layers {
    /// The maximum length of a chain of `extends`.
    private static let maximumDepth = 16

    let substitution: Substitution
    private(set) var diagnostics = Diagnostics()
    /// The texts of the files, by the names in locations.
    private(set) var texts: [String: String] = [:]

    init(substitution: Substitution) { self.substitution = substitution }

    /// Loads the tree of a file.
    ///
    /// - Parameter settings: overrides, each `path.to.option=value`.
    /// - Returns: nil if a file cannot be read.
    mutating func load(_ path: String, settings: [String] = []) -> ConfigNode? {
        guard var root = load(path, below: []) else { return nil }
        texts[Self.commandLine] = settings.joined(separator: "\n")
        for (index, setting) in settings.enumerated() {
            guard let layer = self.layer(setting, line: index + 1, over: root) else { continue }
            root = apply(layer, over: root)
        }
        // A value that could not be replaced is an error only if nothing overrides it.
        noteProblems(of: root)
        return root
    }

    private mutating func noteProblems(of node: ConfigNode) {
        if let problem = node.problem { diagnostics.error(problem, at: node.location) }
        switch node.content {
        case .list(let nodes): for node in nodes { noteProblems(of: node) }
        case .map(let entries): for entry in entries { noteProblems(of: entry.value) }
        default: break
        }
    }

    private mutating func apply(_ over: ConfigNode, over base: ConfigNode?) -> ConfigNode {
        var merger = ConfigMerger()
        defer { diagnostics.append(contentsOf: merger.diagnostics.all) }
        return merger.apply(over, over: base)
    }

    private mutating func load(_ path: String, below: [String], named location: SourceLocation? = nil) -> ConfigNode? {
        let file = ConfigurationFile(path: path, substitution: substitution, namedAt: location, &diagnostics)
        texts[path] = file.text
        guard let root = file.root else { return nil }
        guard let extends = root["extends"] else { return apply(root, over: nil) }
        if let problem = extends.problem { diagnostics.error(problem, at: extends.location) }
        guard let name = extends.text, !name.isEmpty, extends.problem == nil else {
            diagnostics.error("'extends' is the path of a pipeline file, relative to this one", at: extends.location)
            return nil
        }
        let other = Self.resolve(name, from: path)
        let chain = below + [Self.identity(path)]
        if chain.contains(Self.identity(other)) {
            diagnostics.error("the files extend each other in a cycle: '\(other)' again", at: extends.location)
            return nil
        }
        guard chain.count < Self.maximumDepth else {
            diagnostics.error("more than \(Self.maximumDepth) files extend each other", at: extends.location)
            return nil
        }
        guard let base = load(other, below: chain, named: extends.location) else { return nil }
        return apply(root, over: base)
    }

    /// Resolves a path against the folder of the file that contains it, and shortens it. `..` behind a link to a folder
    /// is resolved by the system: it is the parent of the link's target.
    static func resolve(_ path: String, from file: String) -> String {
        let (bytes, slash) = (path.utf8, UInt8(ascii: "/"))
        guard bytes.first != slash, let end = file.utf8.lastIndex(of: slash) else { return path }
        var parts: [Substring] = []
        let root = file.utf8.first == slash ? "/" : ""
        for part in Substring("\(file[...end])\(path)").split(separator: "/") where part != "." {
            let before = root + parts.joined(separator: "/")
            if part == "..", let last = parts.last, last != "..", !isLink(before) {
                parts.removeLast()
            } else if part != ".." || root.isEmpty || !parts.isEmpty {
                parts.append(part)
            }
        }
        return root + parts.joined(separator: "/")
    }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// Returns an identity that all paths of a file share.
    private static func identity(_ path: String) -> String {
        guard let found = realpath(path, nil) else { return path }
        defer { free(found) }
        return String(cString: found)
    }

    // MARK: - The command line

    /// The file name in locations of command-line settings.
    static let commandLine = "--set"

    /// Parses `source.sns.topicArn=...` as a tree. Stages are addressed by name:
    /// `stages.NAME.filter.sample.percent=20`.
    private mutating func layer(_ setting: String, line: Int, over root: ConfigNode) -> ConfigNode? {
        let location = SourceLocation(file: Self.commandLine, line: line, column: 1, length: setting.count)
        guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
            diagnostics.error("'\(setting)' is no setting; write it like source.sns.topicArn=arn:aws:...", at: location)
            return nil
        }
        let keys = setting[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard keys.allSatisfy({ !$0.isEmpty }) else {
            diagnostics.error("'\(setting[..<equals])' has an empty name between its dots", at: location)
            return nil
        }
        let text = String(setting[setting.index(after: equals)...])
        let file = ConfigurationFile(
            path: Self.commandLine, bytes: Array(text.utf8), substitution: substitution, &diagnostics)
        let value = file.root ?? ConfigNode(.null, at: location)
        if keys[0] == "stages" {
            guard keys.count > 2 else {
                diagnostics.error(
                    "'stages' must be followed by the name of a stage and an option, as in stages.NAME.filter.sample.percent=20",
                    at: location)
                return nil
            }
            var names: [String] = []
            if case .list(let nodes)? = root["stages"]?.content { names = nodes.compactMap { StageEntry.name(of: $0) } }
            guard names.contains(keys[1]) else {
                let near = suggestion(for: keys[1], among: names)
                diagnostics.error("there is no stage '\(keys[1])' to set something of\(near)", at: location)
                return nil
            }
            let name = ConfigNode.Entry(
                key: "name", keyLocation: location, value: ConfigNode(.string(keys[1]), at: location))
            var stage = nest(keys[2...], value, location)
            if case .map(let entries) = stage.content { stage.content = .map([name] + entries) }
            return nest(["stages"], ConfigNode(.list([stage]), at: location), location)
        }
        return nest(keys[...], value, location)
    }

    private func nest(_ keys: ArraySlice<String>, _ value: ConfigNode, _ location: SourceLocation) -> ConfigNode {
        var node = Self.moved(value, to: location)
        for key in keys.reversed() {
            node = ConfigNode(.map([.init(key: key, keyLocation: location, value: node)]), at: location)
        }
        return node
    }

    private static func moved(_ node: ConfigNode, to location: SourceLocation) -> ConfigNode {
        var node = node
        node.location = location
        switch node.content {
        case .list(let nodes): node.content = .list(nodes.map { moved($0, to: location) })
        case .map(let entries):
            node.content = .map(
                entries.map { .init(key: $0.key, keyLocation: location, value: moved($0.value, to: location)) })
        default: break
        }
        return node
    }
}
