public import PipelineKit

/// A pipeline file, read and checked.
public struct PipelineFile: Sendable {
    /// Where metrics and health are to be served.
    public struct Operations: Sendable, Equatable {
        /// Address of `/metrics`; nil for nowhere.
        public var metrics: String?
        /// Address of `/health` and `/ready`; nil for nowhere.
        public var health: String?
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

    /// Reads files and checks them against the kinds of a registry.
    ///
    /// - Returns: the files that are good, and everything that is to be said about all of them, ready to be printed.
    public static func load(_ paths: [String], registry: StageRegistry) -> (files: [PipelineFile], report: Report) {
        load(paths, registry: registry, substitution: .system)
    }

    static func load(
        _ paths: [String], registry: StageRegistry, substitution: Substitution
    ) -> (files: [PipelineFile], report: Report) {
        var report = Report()
        var files: [PipelineFile] = []
        var names: [String: String] = [:]
        for path in paths {
            let source = ConfigurationFile(path: path, substitution: substitution, &report.diagnostics)
            report.texts[path] = source.text
            guard let root = source.root else { continue }
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
}

extension PipelineFile {
    /// The options of a file beside its source, stages and sink, as documentation.
    public static var settings: [any OptionDeclaration] { PipelineReader.settings }
}
