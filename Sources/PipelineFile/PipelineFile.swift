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

    /// The file.
    public let path: String
    /// The pipeline.
    public let pipeline: PipelineSpec
    /// Where metrics and health are to be served.
    public let operations: Operations

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
