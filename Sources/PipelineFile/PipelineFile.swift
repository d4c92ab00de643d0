public import PipelineKit

/// A validated pipeline file.
public struct PipelineFile: Sendable {
    /// The addresses of metrics and health checks.
    public struct Operations: Sendable, Equatable {
        /// The address of `/metrics`; nil to not serve it.
        public var metrics: String?
        /// The address of `/health`, `/ready` and the status page; nil to not serve them.
        public var health: String?
        /// The webhook lists whose sizes the status page compares.
        public var lists: [ListSize] = []
    }

    /// A metric with the size of a webhook list.
    public struct ListSize: Sendable, Equatable {
        /// The name of the list's owner.
        public var name: String
        /// The URL of the metrics.
        public var url: String
        public var metric: String
    }

    /// The settings of the spool.
    public struct Spool: Sendable, Equatable {
        public var path: String
        /// The maximum size in bytes.
        public var maxBytes: Int
        /// The maximum age of a message; nil for no limit.
        public var maxAge: Duration?
        /// Whether a message must be on the disk before it is accepted.
        public var isFullSync: Bool
    }

    /// Where dead letters are stored.
    public enum DeadLetters: Sendable {
        /// In a SQLite file.
        case sqlite(path: String)
        /// In a sink.
        case sink(PipelineSpec.StageSpec)
    }

    public let path: String
    public let pipeline: PipelineSpec
    /// The addresses of metrics and health checks.
    public let operations: Operations
    /// The spool; nil for none.
    public let spool: Spool?
    /// Where dead letters are stored; nil to refuse such messages to their sender.
    public let deadLetters: DeadLetters?

    /// Loads files, with those that they extend, and validates them against a registry.
    ///
    /// - Parameters:
    ///   - settings: overrides for every file, each `path.to.option=value`.
    ///   - substitution: replaces `${...}`.
    /// - Returns: the valid files, and a printable report about all.
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
                    "\(path): the pipeline '\(file.pipeline.name)' has the same name as that of \(other); rename one of them",
                    at: nil)
            }
            names[file.pipeline.name] = path
            files.append(file)
        }
        return (files, report)
    }

    /// Parses a YAML text as a tree. Replaces nothing by default.
    public static func tree(
        of text: [UInt8], named name: String, substitution: Substitution = .none
    ) -> (root: ConfigNode?, report: Report) {
        var report = Report()
        let file = ConfigurationFile(path: name, bytes: text, substitution: substitution, &report.diagnostics)
        report.texts[name] = file.text
        return (file.root, report)
    }

    /// Parses a YAML file as a tree without replacing anything.
    public static func tree(of path: String) -> (root: ConfigNode?, report: Report) {
        var report = Report()
        let file = ConfigurationFile(path: path, substitution: .none, &report.diagnostics)
        report.texts[path] = file.text
        return (file.root, report)
    }

    /// Loads the tree of a file with those that it extends, without validation.
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
    /// The options of a pipeline file, for documentation.
    public static var declarations: [any OptionDeclaration] { PipelineReader.declarations }
    /// The options of an entry of `stages`, for documentation.
    public static var stageDeclarations: [any OptionDeclaration] { StageEntry.declarations }
    /// The options of an entry of `stages` in a file that extends another, for documentation.
    public static var placementDeclarations: [any OptionDeclaration] { StageEntry.Placement.declarations }
}
