import HTTPTypes
import Logging
import Metrics
import PipelineKit
import Telemetry

/// Logs each message with Hecate's logger, and has what is another package's of the same name beside it.
public struct NeighbourSink: Sink {
    public static let declaration = StageDeclaration(
        name: "neighbour",
        summary: "takes messages beside modules of well-known names",
        example: """
            sink: neighbour
            """)

    /// Takes messages one at a time.
    public let capabilities = SinkCapabilities()
    private let logger: Telemetry.Logger
    private let written: Telemetry.Counter
    private let theirLogger: Logging.Logger
    private let theirCounter: Metrics.Counter
    private let fields = HTTPFields(names: ["Accept"])

    /// A sink.
    public init(_ options: Options, _ context: StageContext) throws {
        logger = context.logger
        written = Telemetry.Counter(label: "neighbour_written", factory: context.metrics)
        theirLogger = Logging.Logger(label: context.stage)
        theirCounter = Metrics.Counter(label: context.stage)
    }

    /// Logs what comes.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        written.increment(by: batch.count)
        return batch.map { message in
            logger.info("\(theirLogger.label) of \(theirCounter.label)", metadata: ["id": "\(message.id)"])
            return fields.names.isEmpty ? .permanent(reason: "no fields") : .delivered
        }
    }
}
