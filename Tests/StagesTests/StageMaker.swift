import PipelineFile
import Telemetry
import Testing
import Wire

@testable import PipelineKit
@testable import Stages

/// Reads pipeline files.
enum PipelineFileLoader {
    /// Everything that is to be said about a file.
    static func report(_ path: String) -> String {
        PipelineFile.load([path], registry: .standard).report.description
    }
}

/// Makes stages of options written as they are in a pipeline file.
enum StageMaker {
    static let logger = Logger(label: "test") { _ in SilentLogHandler() }

    static func context(
        _ name: String = "stage", now: @escaping @Sendable () -> Timestamp = { .now() }, isDryRun: Bool = false
    ) -> StageContext {
        StageContext(
            pipeline: "test", stage: name, logger: logger, metrics: SilentMetrics(), now: now,
            isDryRun: isDryRun)
    }

    static func make<StageType: Stage>(
        _ type: StageType.Type, _ options: String = "{}", now: @escaping @Sendable () -> Timestamp = { .now() }
    ) throws -> StageType {
        try StageType(try self.options(type, options), context(StageType.declaration.name, now: now))
    }

    static func options<StageType: Stage>(
        _ type: StageType.Type, _ options: String, registry: StageRegistry = .standard
    ) throws -> Options {
        let (root, report) = PipelineFile.tree(of: Array(options.utf8), named: "options")
        #expect(!report.hasErrors)
        var node = try #require(root)
        if StageType.declaration.hasInlineOption, let option = StageType.declaration.options.first {
            node = ConfigNode(
                .map([.init(key: option.name, keyLocation: node.location, value: node)]), at: node.location)
        }
        if let shorthand = StageType.declaration.shorthand {
            if case .map = node.content {
            } else {
                node = ConfigNode(
                    .map([.init(key: shorthand, keyLocation: node.location, value: node)]), at: node.location)
            }
        }
        var diagnostics = Diagnostics(registry: registry)
        let read = Options.read(
            node, declarations: StageType.declaration.options, owner: StageType.declaration.name, &diagnostics)
        guard let read else { throw OptionError(diagnostics.all.map(\.message).joined(separator: "; ")) }
        return read
    }
}
