public import PipelineKit

/// A pipeline file, read and checked.
public struct PipelineFile: Sendable {
    /// Where metrics and health are to be served.
    public struct Operations: Sendable, Equatable {
        /// Address of `/metrics`; nil for nowhere.
        public var metrics: String?
        /// Address of `/health`, `/ready` and the status page; nil for nowhere.
        public var health: String?
        /// The lists of webhooks whose sizes the status page compares.
        public var lists: [ListSize] = []
    }

    /// Where the size of a list of webhooks can be read.
    public struct ListSize: Sendable, Equatable {
        /// Whose list it is.
        public var name: String
        /// The URL of the metrics.
        public var url: String
        /// The metric.
        public var metric: String
    }

    /// How messages are to be kept on disk until they have ended.
    public struct Spool: Sendable, Equatable {
        /// The file.
        public var path: String
        /// The most bytes that may wait.
        public var maxBytes: Int
        /// How long one may wait; nil for as long as it takes.
        public var maxAge: Duration?
        /// Whether the disk has to say that a message is on it.
        public var isFullSync: Bool
    }

    /// Where messages are to go that can never succeed.
    public enum DeadLetters: Sendable {
        /// Into a SQLite file.
        case sqlite(path: String)
        /// Into a sink.
        case sink(PipelineSpec.StageSpec)
    }

    /// The file.
    public let path: String
    /// The pipeline.
    public let pipeline: PipelineSpec
    /// Where metrics and health are to be served.
    public let operations: Operations
    /// How messages are to be kept on disk; nil where they are not.
    public let spool: Spool?
    /// Where messages are to go that can never succeed; nil where they are refused to their sender.
    public let deadLetters: DeadLetters?

    /// Reads files, with those that they extend, and checks them against the kinds of a registry.
    ///
    /// - Parameters:
    ///   - settings: `path.to.option=value` each, laid over every file.
    ///   - substitution: what `${...}` stands for.
    /// - Returns: the files that are good, and everything that is to be said about all of them, ready to be printed.
    public static func load(
        _ paths: [String], registry: StageRegistry, settings: [String] = [], substitution: Substitution = .system
    ) -> (files: [PipelineFile], report: Report) {
        var report = Report()
        var files: [PipelineFile] = []
        var names: [String: String] = [:]
        for path in paths {
            let (root, fileReport) = tree(of: path, settings: settings, substitution: substitution)
            report.append(fileReport)
            guard let root else { continue }
            var reader = PipelineReader(registry: registry, path: path)
            let file = reader.read(root)
            report.diagnostics.append(contentsOf: reader.diagnostics.all)
            guard let file else { continue }
            if let other = names[file.pipeline.name] {
                report.diagnostics.error(
                    "\(path): the pipeline is called '\(file.pipeline.name)' like that of \(other); name one of them differently",
                    at: nil)
            }
            names[file.pipeline.name] = path
            files.append(file)
        }
        return (files, report)
    }

    /// Any YAML text as a tree, and what is to be said about it; without replacing anything unless said otherwise.
    public static func tree(
        of text: [UInt8], named name: String, substitution: Substitution = .none
    ) -> (root: ConfigNode?, report: Report) {
        var report = Report()
        let file = ConfigurationFile(path: name, bytes: text, substitution: substitution, &report.diagnostics)
        report.texts[name] = file.text
        return (file.root, report)
    }

    /// Any YAML file as a tree, without replacing anything in it, and what is to be said about it.
    public static func tree(of path: String) -> (root: ConfigNode?, report: Report) {
        var report = Report()
        let file = ConfigurationFile(path: path, substitution: .none, &report.diagnostics)
        report.texts[path] = file.text
        return (file.root, report)
    }

    /// The tree of a file with those that it extends, before it is checked.
    static func tree(
        of path: String, settings: [String], substitution: Substitution
    ) -> (root: ConfigNode?, report: Report) {
        var layers = Layers(substitution: substitution)
        let root = layers.load(path, settings: settings)
        var report = Report()
        report.diagnostics.append(contentsOf: layers.diagnostics.all)
        report.texts = layers.texts
        return (root, report)
    }
}

extension PipelineFile {
    /// The options of a file, as documentation.
    public static var declarations: [any OptionDeclaration] { PipelineReader.declarations }
    /// The options of an entry of `stages`, as documentation.
    public static var stageDeclarations: [any OptionDeclaration] { StageEntry.declarations }
    /// The options of an entry of `stages` in a file that extends another, as documentation.
    public static var placementDeclarations: [any OptionDeclaration] { StageEntry.Placement.declarations }
}
