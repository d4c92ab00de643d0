import Logging
import Metrics
import Testing
import Wire
import YAML

@testable import PipelineKit

/// Makes stages of options written as they are in a pipeline file.
enum StageMaker {
    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func context(_ name: String = "stage", now: @escaping @Sendable () -> Timestamp = { .now() }) -> StageContext
    {
        StageContext(pipeline: "test", stage: name, logger: logger, metrics: NOOPMetricsHandler.instance, now: now)
    }

    static func make<Made: Stage>(
        _ type: Made.Type, _ options: String = "{}", now: @escaping @Sendable () -> Timestamp = { .now() }
    ) throws -> Made {
        try Made(try self.options(type, options), context(Made.declaration.name, now: now))
    }

    static func options<Made: Stage>(_ type: Made.Type, _ options: String) throws -> Options {
        let (root, problems) = YAMLParser.parse(Array(options.utf8))
        #expect(problems.isEmpty)
        var diagnostics = Diagnostics()
        let read = Options.read(
            node(try #require(root)), declarations: Made.declaration.options, owner: Made.declaration.name, &diagnostics
        )
        guard let read else { throw OptionError(diagnostics.all.map(\.message).joined(separator: "; ")) }
        return read
    }

    private static func node(_ node: YAMLNode) -> ConfigNode {
        let place = SourceLocation(file: "options", line: node.mark.line, column: node.mark.column)
        switch node.content {
        case .sequence(let nodes): return ConfigNode(.list(nodes.map { self.node($0) }), at: place)
        case .mapping(let members):
            return ConfigNode(
                .map(members.map { .init(key: $0.key, keyLocation: place, value: self.node($0.value)) }), at: place)
        case .scalar(let scalar):
            switch scalar.resolved {
            case .null: return ConfigNode(.null, at: place)
            case .bool(let value): return ConfigNode(.bool(value), at: place)
            case .int(let value): return ConfigNode(.int(value), at: place)
            case .double(let value): return ConfigNode(.double(value), at: place)
            case .string(let value): return ConfigNode(.string(value), at: place)
            }
        }
    }
}
