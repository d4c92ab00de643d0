public import PipelineKit
import Telemetry

/// Logs a line for each message.
public struct LogSink: Sink {
    enum Level: String, CaseIterable, Sendable {
        case debug, info, notice, warning
    }

    private static let level = Option(
        "level", OptionType<Level>.choice, default: .info, shown: "info", help: "the log level")
    private static let text = Option(
        "text", .string, default: "a message came here", help: "the text to log, with the message's id and key")

    public static let declaration = StageDeclaration(
        name: "log",
        summary: "logs the id and key of each message, not its content",
        options: [level, text],
        shorthand: "text",
        example: """
            sink:
              log: {level: notice, text: not of this wave}
            """)

    /// Large batches, because a line is cheap.
    public let capabilities = SinkCapabilities(batch: 64, inFlight: 4)
    private let level: Logger.Level
    private let text: String
    private let logger: Logger

    public init(_ options: Options, _ context: StageContext) throws {
        level = Logger.Level(rawValue: options[Self.level].rawValue) ?? .info
        text = options[Self.text]
        logger = context.logger
    }

    /// Logs each message.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        for message in batch {
            logger.log(
                level: level, "\(text)", metadata: ["id": "\(message.id)", "key": "\(message.key)"])
        }
        return Array(repeating: .delivered, count: batch.count)
    }
}
