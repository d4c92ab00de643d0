import Locking
public import PipelineKit
import Wire

/// Passes messages to another program over JSON Lines.
public final class ExecSink: Sink {
    private static let batch = Option(
        "batch", .int(1...1000), default: 64, help: "the maximum number of messages that wait for answers")

    public static let declaration = StageDeclaration(
        name: "exec",
        summary: "passes messages to another program over JSON Lines",
        details: """
            The program reads a line for each message, {"id": ..., "key": ..., "attributes": {...}, "payload": ...}, and answers each with
            a line: {"outcome": "delivered"}, or "expired", "superseded"; {"outcome": "transient", "reason": ..., "retryAfter": seconds};
            {"outcome": "permanent", "reason": ...}. It is started when the pipeline is; one that ends, or does not answer in time, is
            started again with the next message, and what it did not answer is tried again.
            """,
        options: JSONLinesProcess.options + [batch],
        example: """
            sink:
              exec: {command: [/usr/local/bin/store-webhook, --fast]}
            """)

    /// One batch at a time, to keep messages in order.
    public let capabilities: SinkCapabilities
    private let program: JSONLinesProcess.Program
    private let context: StageContext
    private let child = Mutex<JSONLinesProcess?>(nil)
    private let isOpen = Atomic<Bool>(false)

    public init(_ options: Options, _ context: StageContext) throws {
        program = try JSONLinesProcess.Program(options)
        capabilities = SinkCapabilities(batch: options[Self.batch], inFlight: 1)
        self.context = context
    }

    /// Starts the program.
    public func open() async throws {
        let started = try JSONLinesProcess(program)
        child.withLock { $0 = started }
        isOpen.store(true, ordering: .relaxed)
    }

    /// Sends the messages to the program and reads its answers.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        guard isOpen.load(ordering: .relaxed) else {
            return Array(repeating: .transient(reason: "the sink is closed", retryAfter: nil), count: batch.count)
        }
        let now = context.now()
        let outcomes = try? await FileDescriptorIO.blocking { [self] in
            var outcomes: [WriteOutcome] = []
            do {
                let running = try child.withLock { child in
                    if let child, child.isRunning { return child }
                    let started = try JSONLinesProcess(program)
                    child = started
                    return started
                }
                for message in batch {
                    let answer = try running.exchange([MessageJSON.line(message, at: now)], within: program.timeout)[0]
                    outcomes.append(Self.outcome(answer))
                }
            } catch {
                let left = batch.count - outcomes.count
                outcomes += Array(repeating: .transient(reason: "\(error)", retryAfter: nil), count: left)
            }
            return outcomes
        }
        return outcomes ?? []
    }

    private static func outcome(_ line: [UInt8]) -> WriteOutcome {
        guard let answer = try? JSONTree(parsing: line) else {
            return .permanent(reason: "the program's answer is not JSON: \(line.text.prefix(200))")
        }
        let reason = answer["reason"]?.text ?? "the program gave no reason"
        switch answer["outcome"]?.text {
        case "delivered": return .delivered
        case "expired": return .expired
        case "superseded": return .superseded
        case "permanent": return .permanent(reason: reason)
        case "transient":
            let seconds: Double? = if case .number(let text)? = answer["retryAfter"] { Double(text) } else { nil }
            return .transient(
                reason: reason, retryAfter: seconds.flatMap { $0 >= 0 && $0 <= 3600 ? .seconds($0) : nil })
        default: return .permanent(reason: "the program's answer has no valid 'outcome'")
        }
    }

    /// Closes the program's input, which ends it.
    public func close() async {
        isOpen.store(false, ordering: .relaxed)
        let last = child.withLock { child in
            defer { child = nil }
            return child
        }
        last?.end()
    }

    /// Checks that the program exists and is executable, without starting it.
    public func probe() async throws -> String {
        guard let path = ChildProcess.find(program.command[0]) else {
            throw StageError("the program '\(program.command[0])' does not exist or is not executable")
        }
        return "\(path) can be started"
    }
}
